import { z } from 'zod';
import { checkedBy } from '../../io/read-back.ts';
import { learnable } from '../options/options.ts';
import { baselinesSchema } from './run-schema.ts';

const count = z.int().min(0);
const crc32 = count.max(2 ** 32 - 1);
const size = z.looseObject({ images: count, classes: count });
const share = z.number().min(0).max(1);
/** A text that is printed, so it must not contain control characters. */
const printed = z.string().regex(/^[\w.:+-]{1,64}$/);

const position = z
  .looseObject({
    step: count,
    seconds: z.number().min(0),
    metricsBytes: count,
    metricsCrc32: crc32.exactOptional(),
    data: z
      .looseObject({
        fingerprint: crc32,
        train: size.exactOptional(),
        test: size.exactOptional(),
        gallery: size.exactOptional(),
      })
      .nullable()
      .exactOptional(),
    weights: crc32.nullable().exactOptional(),
    best: z.looseObject({ step: count, epoch: count, recall: share }).nullable(),
    evaluated: z.array(count).exactOptional(),
    baselines: baselinesSchema,
    complete: z.boolean(),
  })
  .refine(({ step, best }) => best === null || best.step <= step, 'the best evaluation is from a later step')
  .refine(
    ({ step, evaluated = [] }) => evaluated.every((each) => each <= step),
    'an evaluation is from a later step',
  );

/** `offset` is limited by the logarithm of `learn_range`, which is below 710 for any finite float64 number. */
const scalarState = z.looseObject({
  offset: z.number().min(-710).max(710),
  first: z.number(),
  second: z.number().min(0),
});

/** Schema of the metadata of a checkpoint. */
const contentsSchema = z.looseObject({
  version: z.literal(1),
  config: z.record(z.string(), z.unknown()),
  position,
  scaler: z.looseObject({ scale: z.number().positive(), goodSteps: count, skipped: count }).nullable(),
  learnt: z.looseObject({
    steps: count,
    places: z.partialRecord(z.enum(learnable), scalarState),
  }),
  machine: z.looseObject({
    libtorch: printed,
    threads: z.int().min(1),
    device: printed.exactOptional(),
    level: printed.exactOptional(),
    ranks: z.int().min(1).exactOptional(),
    decoder: printed.exactOptional(),
  }),
});

/** The settings of a network in the metadata of its weights; earlier versions wrote fewer. */
export interface SavedNetwork {
  model?: Record<string, unknown> | undefined;
  head?: string | undefined;
  dim?: number | undefined;
  clipR?: number | null | undefined;
  c?: number | undefined;
}

const weightsSchema = z.looseObject({
  model: z.record(z.string(), z.unknown()).optional(),
  head: z.string().optional(),
  dim: z.number().optional(),
  clipR: z.number().nullish(),
  c: z.number().positive().optional(),
}) satisfies z.ZodType<SavedNetwork>;

/**
 * Validates the metadata of a checkpoint except the configuration.
 *
 * @throws `ERR_HOROBALL_FORMAT`
 */
export function checkedContents(value: unknown, file: string): { config: Record<string, unknown> } {
  return checkedBy(contentsSchema, value, file);
}

const temperaturesSchema = z.looseObject({
  t_e: z.number().positive().optional(),
  t_h: z.number().positive().optional(),
});

/**
 * Returns the learnable temperatures in the metadata of a weights file.
 *
 * @throws `ERR_HOROBALL_FORMAT`
 */
export function savedTemperatures(
  value: unknown,
  file: string,
): { t_e?: number | undefined; t_h?: number | undefined } {
  return checkedBy(temperaturesSchema, value, file);
}

/**
 * Returns the settings of a network in the metadata of its weights file.
 *
 * @throws `ERR_HOROBALL_FORMAT`
 */
export function savedNetwork(value: unknown, file: string): SavedNetwork {
  return checkedBy(weightsSchema, value, file);
}
