import { type Coded, coded } from '../errors.ts';
import { type Background, backgrounds } from '../image/resample.ts';
import { boundedJson } from '../io/json.ts';
import { areFinitePixels, isCurvature } from '../model/limits.ts';
import type { Channels } from '../model/types.ts';

/** The evaluation transform of a run: from an image to the input of its network. */
export interface Transform {
  /** Side of the square center crop in pixels. */
  readonly size: number;
  /** Before the crop, the shorter side is resized to this many pixels with PIL's bicubic filter. */
  readonly resize: number;
  /** Background that transparent pixels are blended with; `drop` ignores alpha. */
  readonly background: Background;
  /** Larger images are rejected. */
  readonly maxPixels: number;
  readonly mean: Channels;
  readonly std: Channels;
}

/** `unit`: unit vectors; `ball`: points of the Poincaré ball; `both`. */
export type Space = (typeof spaces)[number];
export const spaces = ['unit', 'ball', 'both'] as const;

/** Everything that a program needs to embed images with an exported network; stored in the file's metadata. */
export interface Serving extends Transform {
  /** Version of this record; files of later versions are rejected. */
  readonly version: 1;
  /** Dimension of the embedding. */
  readonly dim: number;
  /** The ball's curvature is -c; null for a backbone without a head. */
  readonly c: number | null;
  /** The space in which the loss of the run compared embeddings. */
  readonly space: Space;
}

/**
 * The input of an exported network: N x 3 x S x S, red, green and blue from 0 to 1, minus the mean, divided
 * by the standard deviation.
 */
export const inputName = 'pixel_values';

/** The outputs of an exported network, one row per image. */
export const outputNames = {
  /** Unit vectors of the head or, without a head, of the backbone's feature. */
  unit: 'image_embeds',
  /** Points of the ball; only with a head. */
  ball: 'hyperbolic',
  /** The backbone's feature. */
  feature: 'pooler_output',
} as const;

/** The key of {@link Serving} in the metadata of an ONNX file. */
export const servingKey = 'horoball.embed';

/**
 * Parses the record that an ONNX file has under {@link servingKey}.
 *
 * @param file - the path, for errors
 * @throws Error `ERR_HOROBALL_FORMAT` if the record is missing or invalid; the message names the file
 */
export function parseServing(text: string | undefined, file: string): Serving {
  if (text === undefined) {
    const message = `${file} has no evaluation transform for images. Export the network with \`npx horoball export\`.`;
    throw coded('ERR_HOROBALL_FORMAT', message);
  }
  const value = parsed(text, file);
  if (typeof value['version'] === 'number' && value['version'] > 1) {
    const message = `${file} was written by a newer version of horoball. Update horoball to read it.`;
    throw coded('ERR_HOROBALL_FORMAT', message);
  }
  return checkServing(value, file);
}

/**
 * Returns the record if all its fields are valid.
 * @throws Error `ERR_HOROBALL_FORMAT` naming the file and the field
 */
export function checkServing(value: Readonly<Record<string, unknown>>, file: string): Serving {
  const wrong = Object.entries(checks).find(([key, check]) => !check(value[key]))?.[0];
  if (wrong !== undefined) throw invalidField(wrong, file);
  const serving = value as object as Serving;
  const { size, resize, mean, std } = serving;
  if (resize < size) throw invalidField('resize', file);
  if (!areFinitePixels(mean, std)) throw invalidField('std', file);
  return serving;
}

function invalidField(name: string, file: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `${file} cannot be used: its ${servingKey}.${name} is invalid`);
}

/** Limits far above the sizes of any network. They bound the memory that is allocated. */
const [maxSide, maxDim] = [4096, 2 ** 20];

const count = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
const upTo =
  (most: number) =>
  (value: unknown): boolean =>
    count(value) && (value as number) <= most;
const positive = (value: unknown): boolean => Number.isFinite(value) && (value as number) > 0;
const three = (value: unknown, check: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length === 3 && value.every(check);

const checks: Readonly<Record<keyof Serving, (value: unknown) => boolean>> = {
  version: (value) => value === 1,
  size: upTo(maxSide),
  resize: count,
  background: (value) => (backgrounds as readonly unknown[]).includes(value),
  maxPixels: count,
  mean: (value) => three(value, Number.isFinite),
  std: (value) => three(value, positive),
  dim: upTo(maxDim),
  c: (value) => value === null || isCurvature(value),
  space: (value) => (spaces as readonly unknown[]).includes(value),
};

/** Maximum number of JSON values in a record, which has about forty. */
const maxValues = 1000;

function parsed(text: string, file: string): Record<string, unknown> {
  const value = boundedJson(text, maxValues, (why) =>
    coded('ERR_HOROBALL_FORMAT', `${file} cannot be used: its ${servingKey} ${why}`),
  );
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
