import { z } from 'zod';
import { coded } from '../errors.ts';
import { parseEpochs } from './epochs.ts';

/**
 * One training run. The names are those of the published code (HypMix and Hyp-ViT), so that its commands run
 * as they stand; those below `workers` are ours.
 */
export interface RunConfig {
  /** Data set: a name that `openDataset` knows. */
  ds: string;
  /** Folder of the data set. */
  path: string;
  /** Backbone: a name in `vitConfigs`. */
  model: string;
  /** `hypmix`: normalise, clip, expmap0. `hyp-vit`: no normalisation, so the radius is free. */
  head: 'hypmix' | 'hyp-vit';
  geometry: Geometry;
  /** Width of the embedding. */
  emb: number;
  /** Pictures of each class in a batch, that is, views. */
  num_samples: number;
  /** Pictures in a batch, a multiple of `num_samples`. */
  bs: number;
  /** AdamW's rate at its highest. */
  lr: number;
  /** Both temperatures, where `t_e` and `t_h` do not say otherwise. */
  t: number | null;
  t_e: number;
  t_h: number;
  /** Weight of the hyperbolic part in the hybrid logit. */
  lam: number;
  /** c > 0: the curvature is -c. */
  hyp_c: number;
  /** Radius at which features are clipped before expmap0; `null`: not clipped. */
  clip_r: number | null;
  /** `null`: nothing is frozen. n >= 0: the patch embedding and the first n blocks are. */
  freeze: number | null;
  /** Epochs. */
  ep: number;
  /** Epochs after which the test classes are evaluated: `[50]`, `[]`, `r(10,70,20)+[200]`. 0: untrained. */
  eval_ep: string;
  /** Shorter side, in pixels, of a picture before the centre crop of the evaluation. */
  resize: number;
  /** Side, in pixels, of what the network sees. */
  crop: number;
  seed: number;
  /** Pictures that are decoded at the same time. */
  workers: number;
  /** Where decoded pictures are kept: `memory` or a folder; `null`: nowhere. */
  cache: string | null;

  /** Weights to start from: a file, or a name that `horoball weights pull` fetched; `null`: random ones. */
  weights: string | null;
  /** AdamW's decoupled decay. */
  weight_decay: number;
  /** Largest norm of the whole gradient; `null`: not clipped. */
  clip_grad: number | null;
  /** How the rate goes from its highest to the end of the run. */
  schedule: 'constant' | 'cosine';
  /** Steps over which the rate rises from 0. */
  warmup: number;
  /** Smallest share of a picture's area that a training crop keeps. */
  crop_scale: number;
  /** `sum` over the ordered pairs of views, as published, or their `mean`. */
  reduction: 'sum' | 'mean';
  /** `hypmix`: the published numerical guards and way to evaluate. */
  compat: 'none' | 'hypmix';
  /** `cpu`, `cuda` or `cuda:N`. */
  device: string;
  /** Threads of libtorch; 0: as many as it takes by itself. */
  threads: number;
  /** A picture that cannot be read ends the run, instead of being named and skipped. */
  strict: boolean;
  /** Train on labels that were shuffled: the control that shows what the pictures alone give away. */
  shuffle_labels: boolean;
  /** Measure raw pixels and a histogram with gradients too, for the report. */
  baselines: boolean;
  /** Folder in which run folders are made; `null`: nothing is written. */
  runs: string | null;
  /** Name of the run folder; `null`: made of data set, geometry and a number. */
  name: string | null;
}

/** Logits of the contrastive loss: see `hybridContrastiveLoss`. */
export type Geometry = 'hybrid' | 'euclidean' | 'hyperbolic' | 'chordal';

/** What a field accepts, in words, and what it is for. `--help` and every error are made from these. */
export interface Field {
  readonly schema: z.ZodType;
  /** Continues "expected ...". */
  readonly expected: string;
  readonly help: string;
}

const isText = (value: unknown): value is string => typeof value === 'string';
/** Command lines carry text: '0.05' is a number. */
const numeric = (value: unknown): unknown =>
  isText(value) && value.trim() !== '' ? Number(value.replace(/_/g, '')) : value;
/** 'None', as Python writes it, is null. */
const orNull = (value: unknown): unknown => (isText(value) && /^(none|null)$/i.test(value) ? null : value);

const text = (expected: string, help: string): Field => ({ schema: z.string().min(1), expected, help });
const oneOf = (names: [string, ...string[]], help: string): Field => ({
  schema: z.enum(names),
  expected: names.map((name) => `'${name}'`).join(' or '),
  help,
});
const flag = (help: string): Field => ({ schema: z.boolean(), expected: 'true or false', help });
const count = (least: number, help: string): Field => ({
  schema: z.preprocess(numeric, z.int().min(least)),
  expected: `a whole number of at least ${least}`,
  help,
});
const positive = (help: string): Field => ({
  schema: z.preprocess(numeric, z.number().positive()),
  expected: 'a number above 0',
  help,
});
const atLeast0 = (help: string): Field => ({
  schema: z.preprocess(numeric, z.number().min(0)),
  expected: 'a number of at least 0',
  help,
});
const orNone = (field: Field): Field => ({
  schema: z.preprocess(orNull, z.union([z.null(), field.schema])),
  expected: `${field.expected}, or None`,
  help: field.help,
});

/** Every option of a run, in the order in which `--help` lists them. */
export const fields: Readonly<Record<keyof RunConfig, Field>> = {
  ds: text('a name', 'data set'),
  path: text('a path', 'folder of the data set'),
  model: text('a name', 'backbone'),
  head: oneOf(['hypmix', 'hyp-vit'], 'what follows the backbone: unit norm, or a free radius'),
  geometry: oneOf(['hybrid', 'euclidean', 'hyperbolic', 'chordal'], 'what the logits are made of'),
  emb: count(2, 'width of the embedding'),
  num_samples: count(2, 'pictures of each class in a batch'),
  bs: count(4, 'pictures in a batch, a multiple of num_samples'),
  lr: positive('learning rate of AdamW at its highest'),
  t: orNone(positive('both temperatures at once')),
  t_e: positive('temperature of the cosine'),
  t_h: positive('temperature of the distance'),
  lam: atLeast0('weight of the hyperbolic part in the hybrid logit'),
  hyp_c: positive('c of the ball: its curvature is -c'),
  clip_r: orNone(positive('radius at which features are clipped before expmap0')),
  freeze: orNone(count(0, 'blocks to freeze; 0 freezes the patch embedding only')),
  ep: count(1, 'epochs'),
  eval_ep: {
    schema: z.string().refine((value) => parseEpochs(value) !== null),
    expected: "a list like '[50]', '[]' or 'r(10,70,20)+[200]'",
    help: 'epochs after which the test classes are evaluated, 0 is before training; r(a,b,c) is range(a,b,c)',
  },
  resize: count(8, "shorter side of a picture before the evaluation's centre crop (pixels)"),
  crop: count(8, 'side of what the network sees (pixels)'),
  seed: count(0, 'seed of weights, order and crops'),
  workers: count(1, 'pictures that are decoded at the same time'),
  cache: orNone(text("'memory' or a path", 'where decoded pictures are kept: memory, or a folder')),
  weights: orNone(text('a path or a name', 'weights to start from; a name is one that was pulled')),
  weight_decay: atLeast0('decoupled decay of AdamW'),
  clip_grad: orNone(positive('largest norm of the whole gradient')),
  schedule: oneOf(['constant', 'cosine'], 'how the rate goes on after the warm-up'),
  warmup: count(0, 'steps over which the rate rises from 0 (steps)'),
  crop_scale: {
    schema: z.preprocess(numeric, z.number().positive().max(1)),
    expected: 'a number above 0 and at most 1',
    help: "smallest share of a picture's area that a training crop keeps",
  },
  reduction: oneOf(['sum', 'mean'], 'of the losses of all ordered pairs of views'),
  compat: oneOf(['none', 'hypmix'], 'hypmix: the guards and the evaluation of the published code'),
  device: {
    schema: z.string().regex(/^(cpu|cuda(:\d{1,3})?)$/),
    expected: "'cpu', 'cuda' or 'cuda:N'",
    help: 'where the network lives',
  },
  threads: count(0, 'threads of libtorch; 0 leaves the choice to it'),
  strict: flag('end the run at a picture that cannot be read'),
  shuffle_labels: flag('train on shuffled labels, as a control'),
  baselines: flag('measure raw pixels and histograms too'),
  runs: orNone(text('a path', 'folder for run folders')),
  name: orNone({
    schema: z.string().regex(/^\w[\w.-]*$/),
    expected: 'letters, digits, dots and dashes',
    help: 'name of the run folder',
  }),
};

/** What the published code does by itself (and, below `workers`, what it has no option for). */
export const publishedDefaults: Readonly<RunConfig> = {
  ds: 'SOP',
  path: 'data',
  model: 'dino_vits16',
  head: 'hypmix',
  geometry: 'hybrid',
  emb: 128,
  num_samples: 2,
  bs: 900,
  lr: 1e-5,
  t: null,
  t_e: 0.1,
  t_h: 0.2,
  lam: 0.5,
  hyp_c: 0.1,
  clip_r: 2.3,
  freeze: 0,
  ep: 100,
  eval_ep: '[100]',
  resize: 224,
  crop: 224,
  seed: 42,
  workers: 4,
  cache: null,
  weights: null,
  weight_decay: 0.01,
  clip_grad: 3,
  schedule: 'constant',
  warmup: 0,
  crop_scale: 0.2,
  reduction: 'sum',
  compat: 'none',
  device: 'cpu',
  threads: 0,
  strict: false,
  shuffle_labels: false,
  baselines: false,
  runs: 'runs',
  name: null,
};

/** Defaults where the data set is the built-in one, chosen for two CPU cores and three minutes. */
export const shapesDefaults: Readonly<Partial<RunConfig>> = {
  ds: 'shapes',
  path: 'data/shapes',
  model: 'vit_nano',
  num_samples: 4,
  bs: 128,
  lr: 1e-3,
  freeze: null,
  ep: 180,
  eval_ep: 'r(0,181,36)',
  resize: 55,
  crop: 48,
  crop_scale: 0.4,
  schedule: 'cosine',
  warmup: 20,
};

/**
 * Checks a run's options, fills in the defaults and returns the whole configuration.
 * Text is read as a command line means it (`'0.05'`, `'None'`), so the same function serves both.
 * @param options any part of a run; `ds` is `shapes` where it is not given.
 * @throws {RangeError} `ERR_HOROBALL_CONFIG`: an unknown option or a value outside its range.
 * @example parseConfig({ ds: 'shapes', geometry: 'hyperbolic', t_h: 0.1 })
 */
export function parseConfig(options: Readonly<Record<string, unknown>> = {}): RunConfig {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(fields, key)) throw configError(`[train] ${key}: there is no such option`);
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const shapes = (given['ds'] ?? 'shapes') === 'shapes';
  const merged: Record<string, unknown> = {
    ...publishedDefaults,
    ...(shapes ? shapesDefaults : {}),
    ...given,
  };
  const both = orNull(given['t']) ?? null;
  if (both !== null) Object.assign(merged, { t_e: both, t_h: both }, pick(given, ['t_e', 't_h']));
  const config = Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [key, checked(key, field, merged[key])]),
  ) as unknown as RunConfig;
  if (given['eval_ep'] === undefined && given['ep'] !== undefined) config.eval_ep = `[${config.ep}]`;
  return consistent(config);
}

function pick(from: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

function checked(key: string, field: Field, value: unknown): unknown {
  const result = field.schema.safeParse(value);
  if (result.success) return result.data;
  throw configError(`[train] ${key}: expected ${field.expected}, got ${shown(value)}`);
}

/** What no single option can tell by itself. */
function consistent(config: RunConfig): RunConfig {
  if (config.bs % config.num_samples !== 0) {
    throw configError(
      `[train] bs: expected a multiple of num_samples (${config.num_samples}), got ${config.bs}`,
    );
  }
  if (config.bs < 2 * config.num_samples) {
    throw configError(
      `[train] bs: expected at least two classes (${2 * config.num_samples}), got ${config.bs}`,
    );
  }
  if (config.resize < config.crop) {
    throw configError(`[train] resize: expected at least crop (${config.crop}), got ${config.resize}`);
  }
  return config;
}

function configError(message: string): RangeError {
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
