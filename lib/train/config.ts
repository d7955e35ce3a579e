import { coded } from '../errors.ts';
import { datasetNames } from './data/dataset.ts';
import { parseEpochs } from './epochs.ts';
import {
  above1,
  atLeast0,
  below1,
  count,
  type Field,
  flag,
  listOf,
  oneOf,
  orNone,
  orNull,
  positive,
  shaped,
  text,
  upTo1,
} from './fields.ts';
import { type Learnable, learnable } from './learnt.ts';
import type { Precision } from './model.ts';
import { vitConfigs } from './vit.ts';

/**
 * One training run. The names are those of the published code (HypMix and Hyp-ViT), so that its commands run
 * as they stand; those below `workers` are ours.
 */
export interface RunConfig {
  /** Data set: a name that `openDataset` knows. */
  ds: string;
  /** Folder of the data set. */
  path: string;
  /** Backbone: a name in `vitConfigs`, or a JSON file or text in timm's terms. */
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
  /** Strength with which the Euclidean loss prefers hard negatives (Robinson et al. 2021); 0: the plain loss. */
  beta: number;
  /** Radius at which features are clipped before expmap0; `null`: not clipped. */
  clip_r: number | null;
  /** `null`: nothing is frozen. n >= 0: the patch embedding and the first n blocks are. */
  freeze: number | null;
  /** Epochs. */
  ep: number;
  /** Epochs after which the test classes are evaluated: `[50]`, `[]`, `r(10,70,20)+[200]`. 0: untrained. Where `ep`
   * alone is given, its last epoch. */
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

  /** Weights to start from: a file, or a name that `horoball weights pull` fetched; `null`: random; `auto`: the
   * model's published ones where they were pulled. */
  weights: string | null;
  /** AdamW's decoupled decay. */
  weight_decay: number;
  /** What decays: every weight, as published, or `matrices` only, so no bias, norm, token or position. */
  decayed: 'all' | 'matrices';
  /** Rate of each layer over that of the one above it; 1: the same everywhere. */
  layer_decay: number;
  /** Largest norm of the whole gradient; `null`: not clipped. */
  clip_grad: number | null;
  /** How the rate goes from its highest to the end of the run. */
  schedule: 'constant' | 'cosine';
  /** Steps over which the rate rises from 0. */
  warmup: number;
  /** What the backbone computes in; weights, geometry and loss are float32 always. */
  precision: Precision;
  /** What float16 multiplies the loss with at first, so that small gradients do not vanish. */
  loss_scale: number;
  /** Decay a step of the weights' moving average, which is then evaluated and saved; `null`: there is none. */
  ema: number | null;
  /** Which of `t_e`, `t_h` and `hyp_c` are learnt, with commas between them; `null`: none. */
  learn: string | null;
  /** Rate at which the logarithms of those move, at its highest; it follows the schedule. */
  learn_lr: number;
  /** How many times larger or smaller than at first they may get. */
  learn_range: number;
  /** Pictures that have a graph at the same time (gradient caching); `null`: the whole batch, or what fits the memory. */
  chunk: number | null;
  /** Classes of earlier batches that are kept as further negatives; 0: none. */
  memory: number;
  /** Smallest share of a picture's area that a training crop keeps. */
  crop_scale: number;
  /** `sum` over the ordered pairs of views, as published, or their `mean`. */
  reduction: 'sum' | 'mean';
  /** `hypmix`: the published numerical guards, order of clipping and way to evaluate. */
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
  /** Write the embeddings of test and training pictures at the end, called `emb_name`. */
  save_emb: boolean;
  emb_name: string;
  /** Seconds between checkpoints, 0: every step; `null`: the run cannot be resumed. */
  save_every: number | null;
  /** Folder in which run folders are made; `null`: nothing is written. */
  runs: string | null;
  /** Name of the run folder; `null`: made of data set, geometry and a number. */
  name: string | null;
}

/** Logits of the contrastive loss: see `hybridContrastiveLoss`. */
export type Geometry = 'hybrid' | 'euclidean' | 'hyperbolic' | 'chordal';

/** Every option of a run, in the order in which `--help` lists them. */
export const fields: Readonly<Record<keyof RunConfig, Field>> = {
  ds: text(datasetNames.join(', '), 'data set'),
  path: text(
    'a path',
    'folder of the data set; of csv the file, whose first line is path,label or path,label,split (train, test, query or gallery)',
  ),
  model: text(
    `${Object.keys(vitConfigs).join(', ')} or a JSON file`,
    'backbone, or a file that describes one as timm does',
  ),
  head: oneOf(
    ['hypmix', 'hyp-vit'],
    'what follows the backbone: hypmix has unit norm, hyp-vit a free radius and, unless they are given, geometry hyperbolic and temperatures of 0.2',
  ),
  geometry: oneOf(['hybrid', 'euclidean', 'hyperbolic', 'chordal'], 'what the logits are made of'),
  emb: count(2, 'width of the embedding'),
  num_samples: count(2, 'pictures of each class in a batch'),
  bs: count(4, 'pictures in a batch, a multiple of num_samples'),
  lr: positive('learning rate of AdamW at its highest'),
  t: orNone(positive('both temperatures at once')),
  t_e: positive('temperature of the cosine'),
  t_h: positive('temperature of the distance'),
  lam: atLeast0('weight of the hyperbolic part in the hybrid logit'),
  hyp_c: atLeast0(
    'c of the ball, above 0: its curvature is -c; 0 with head hyp-vit is the sphere (cosine at t_e)',
  ),
  beta: atLeast0('how strongly the euclidean loss prefers hard negatives; 0: the plain loss'),
  clip_r: orNone(positive('radius at which features are clipped before expmap0')),
  freeze: orNone(count(0, 'blocks to freeze; 0 freezes the patch embedding only')),
  ep: count(1, 'epochs'),
  eval_ep: shaped(
    (value) => parseEpochs(value) !== null,
    "a list like '[50]', '[]' or 'r(10,70,20)+[200]'",
    'epochs after which the test classes are evaluated, 0 is before training; r(a,b,c) is range(a,b,c)',
  ),
  resize: count(8, "shorter side of a picture before the evaluation's centre crop (pixels)"),
  crop: count(8, 'side of what the network sees (pixels)'),
  seed: count(0, 'seed of weights, order and crops'),
  workers: count(1, 'pictures that are decoded at the same time'),
  cache: orNone(text("'memory' or a folder", 'where decoded pictures are kept')),
  weights: orNone(
    text(
      "a file, a name or 'auto'",
      "weights to start from; a name is one that was pulled, auto takes the model's published ones if they were",
    ),
  ),
  weight_decay: atLeast0('decoupled decay of AdamW'),
  decayed: oneOf(['all', 'matrices'], 'what decays: all weights, or matrices only (no bias, norm or token)'),
  layer_decay: upTo1("each layer's rate over that of the one above it"),
  clip_grad: orNone(positive('largest norm of the whole gradient')),
  schedule: oneOf(['constant', 'cosine'], 'how the rate goes on after the warm-up'),
  warmup: count(0, 'steps over which the rate rises from 0'),
  precision: oneOf(
    ['float32', 'bfloat16', 'float16'],
    'what the backbone computes in; weights, geometry and loss are float32',
  ),
  loss_scale: positive('what float16 multiplies the loss with at first'),
  ema: orNone(below1("decay a step of the weights' average, which is evaluated and saved in their place")),
  learn: orNone(listOf(learnable, 'scalars of the loss that are learnt')),
  learn_lr: positive('rate at which the logarithms of what is learnt move'),
  learn_range: above1('how many times larger or smaller than at first what is learnt may get'),
  chunk: orNone(
    count(
      1,
      'pictures that have a graph at the same time; fewer take less memory; None is the whole batch, or what fits',
    ),
  ),
  memory: count(0, 'classes of earlier batches that are kept as further negatives'),
  crop_scale: upTo1("smallest share of a picture's area that a training crop keeps"),
  reduction: oneOf(['sum', 'mean'], 'what is taken of the losses of all ordered pairs of views'),
  compat: oneOf(
    ['none', 'hypmix'],
    'hypmix: the guards, the clipping of scaled gradients and the evaluation of the published code',
  ),
  device: shaped(
    (value) => /^(cpu|cuda(:\d{1,3})?)$/.test(value),
    "'cpu', 'cuda' or 'cuda:N'",
    'where the network is and is computed',
  ),
  threads: count(0, 'threads of libtorch; 0 leaves the choice to it'),
  strict: flag('end the run at a picture that cannot be read'),
  shuffle_labels: flag('train on shuffled labels, as a control'),
  baselines: flag('measure raw pixels and histograms too'),
  save_emb: flag('write the embeddings of the test and training pictures into the run folder at the end'),
  emb_name: shaped(
    (value) => /^\w[\w.-]*$/.test(value),
    'letters, digits, dots, dashes and underscores',
    'what save_emb calls them: <name>_eval.safetensors and <name>_train.safetensors',
  ),
  save_every: orNone(atLeast0('time between checkpoints (seconds); 0 writes one after every step')),
  runs: orNone(text('a path', 'folder for run folders')),
  name: orNone(
    shaped(
      (value) => /^\w[\w.-]*$/.test(value),
      'letters, digits, dots, dashes and underscores',
      'name of the run folder',
    ),
  ),
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
  beta: 0,
  clip_r: 2.3,
  freeze: 0,
  ep: 100,
  eval_ep: '[100]',
  resize: 224,
  crop: 224,
  seed: 42,
  workers: 4,
  cache: null,
  weights: 'auto',
  weight_decay: 0.01,
  decayed: 'all',
  layer_decay: 1,
  clip_grad: 3,
  schedule: 'constant',
  warmup: 0,
  precision: 'float32',
  loss_scale: 65536,
  ema: null,
  learn: null,
  learn_lr: 0.01,
  learn_range: 10,
  chunk: null,
  memory: 0,
  crop_scale: 0.2,
  reduction: 'sum',
  compat: 'none',
  device: 'cpu',
  threads: 0,
  strict: false,
  shuffle_labels: false,
  baselines: false,
  save_emb: false,
  emb_name: 'emb',
  save_every: 60,
  runs: 'runs',
  name: null,
};

/** Hyp-ViT has one distance and one temperature. */
const hypVitDefaults: Readonly<Partial<RunConfig>> = { geometry: 'hyperbolic', t_e: 0.2, t_h: 0.2 };

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
 * @param operation - who asks, for errors
 * @throws {RangeError} `ERR_HOROBALL_CONFIG`: an unknown option or a value outside its range.
 * @example parseConfig({ ds: 'shapes', geometry: 'hyperbolic', t_h: 0.1 })
 */
export function parseConfig(
  options: Readonly<Record<string, unknown>> = {},
  operation: string = 'train',
): RunConfig {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(fields, key)) throw configError(`[${operation}] ${key}: there is no such option`);
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const shapes = (given['ds'] ?? 'shapes') === 'shapes';
  const merged: Record<string, unknown> = {
    ...publishedDefaults,
    ...(shapes ? shapesDefaults : {}),
    ...given,
  };
  if (given['head'] === 'hyp-vit') Object.assign(merged, hypVitDefaults, given);
  const both = orNull(given['t']) ?? null;
  if (both !== null) Object.assign(merged, { t_e: both, t_h: both }, pick(given, ['t_e', 't_h']));
  const config = Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [key, checked(operation, key, field, merged[key])]),
  ) as unknown as RunConfig;
  if (given['eval_ep'] === undefined && given['ep'] !== undefined) config.eval_ep = `[${config.ep}]`;
  return consistent(sphere(config), operation);
}

/** Hyp-ViT's c = 0: unit vectors compared by cosine, which is what the head `hypmix` and the geometry `euclidean` are. */
function sphere(config: RunConfig): RunConfig {
  if (config.hyp_c !== 0 || config.head !== 'hyp-vit') return config;
  return { ...config, head: 'hypmix', geometry: 'euclidean', hyp_c: publishedDefaults.hyp_c };
}

function pick(from: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

function checked(operation: string, key: string, field: Field, value: unknown): unknown {
  const result = field.schema.safeParse(value);
  if (result.success) return result.data;
  throw configError(`[${operation}] ${key}: expected ${field.expected}, got ${shown(value)}`);
}

/** The scalars of the loss that a run learns. */
export function learntNames({ learn }: RunConfig): Learnable[] {
  return (learn === null ? [] : learn.split(',').map((name) => name.trim())) as Learnable[];
}

/** What a geometry's logits depend on: see `hybridContrastiveLoss`. */
const scalarsOf: Readonly<Record<Geometry, readonly Learnable[]>> = {
  hybrid: ['t_e', 't_h', 'hyp_c'],
  euclidean: ['t_e'],
  hyperbolic: ['t_h', 'hyp_c'],
  chordal: ['t_h', 'hyp_c'],
};

/** What no single option can tell by itself. */
function consistent(config: RunConfig, operation: string): RunConfig {
  const { bs, num_samples, resize, crop, geometry, head, memory } = config;
  const refuse = (option: keyof RunConfig, expected: string, got: unknown = config[option]): never => {
    throw configError(`[${operation}] ${option}: expected ${expected}, got ${got}`);
  };
  if (bs % num_samples !== 0) refuse('bs', `a multiple of num_samples (${num_samples})`);
  if (bs < 2 * num_samples) refuse('bs', `at least two classes (${2 * num_samples})`);
  if (resize < crop) refuse('resize', `at least crop (${crop})`);
  if (config.hyp_c === 0)
    refuse('hyp_c', 'a number above 0 (0 is for head hyp-vit; else choose --geometry euclidean or chordal)');
  const learnt = learntNames(config);
  const idle = learnt.find((name) => !scalarsOf[geometry].includes(name));
  if (idle !== undefined)
    refuse('learn', `what the ${geometry} loss depends on (${scalarsOf[geometry].join(', ')})`, idle);
  if (config.beta > 0 && geometry !== 'euclidean') refuse('beta', `0 where the geometry is ${geometry}`);
  if (memory > 0 && head === 'hyp-vit' && learnt.includes('hyp_c'))
    refuse('memory', '0 where hyp_c is learnt with a free radius, as remembered points are of another ball');
  return config;
}

/** @internal */
export function configError(message: string): RangeError {
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
