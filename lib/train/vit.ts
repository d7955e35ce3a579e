import { integer, positive } from '../check.ts';
import { rangeError } from '../errors.ts';
import type { Channels } from './tensor.ts';

/** A vision transformer in timm's terms: pre-norm blocks, learned positions, class token. */
export interface ViTConfig {
  /** Side of the square picture in pixels; a multiple of `patchSize`. */
  imgSize: number;
  patchSize: number;
  /** Width of a token; a multiple of `numHeads`. */
  embedDim: number;
  depth: number;
  numHeads: number;
  /** Width of the MLP's hidden layer over `embedDim`; 4 by default. */
  mlpRatio?: number;
  qkvBias?: boolean;
  /** LayerNorm's epsilon; 1e-6 by default. */
  normEps?: number;
  /** A second token beside the class token; the feature is then the mean of both (DeiT). */
  distilled?: boolean;
  /** Initial value of the layer scale, or null for none. */
  initValues?: number | null;
  /** What the pictures are normalised with. */
  mean: Channels;
  std: Channels;
}

const half: Channels = [0.5, 0.5, 0.5];
const imageNetMean: Channels = [0.485, 0.456, 0.406];
const imageNetStd: Channels = [0.229, 0.224, 0.225];
const small = { imgSize: 224, patchSize: 16, embedDim: 384, depth: 12, numHeads: 6 };

/** The backbones known by name. `vit_nano` is the one for the built-in data set. */
export const vitConfigs: Record<
  'vit_nano' | 'vit_small_patch16_224' | 'deit_small_distilled_patch16_224' | 'dino_vits16',
  ViTConfig
> = {
  vit_nano: { imgSize: 48, patchSize: 8, embedDim: 128, depth: 4, numHeads: 4, mean: half, std: half },
  vit_small_patch16_224: { ...small, mean: half, std: half },
  deit_small_distilled_patch16_224: { ...small, distilled: true, mean: imageNetMean, std: imageNetStd },
  dino_vits16: { ...small, mean: imageNetMean, std: imageNetStd },
};

/** A configuration by name or in full, checked and with every default filled in. */
export function resolveViT(model: string | ViTConfig): Required<ViTConfig> {
  const given = typeof model === 'string' ? byName(model) : model;
  const defaults = { mlpRatio: 4, qkvBias: true, normEps: 1e-6, distilled: false, initValues: null };
  const config = { ...defaults, ...given };
  for (const key of ['imgSize', 'patchSize', 'embedDim', 'depth', 'numHeads'] as const) {
    integer('vit', key, config[key], 1, Number.MAX_SAFE_INTEGER);
  }
  const { imgSize, patchSize, embedDim, numHeads } = config;
  if (imgSize % patchSize !== 0) throw rangeError('vit', 'imgSize', `a multiple of ${patchSize}`, imgSize);
  if (embedDim % numHeads !== 0) throw rangeError('vit', 'embedDim', `a multiple of ${numHeads}`, embedDim);
  for (const each of config.std) positive('vit', 'std', each);
  return config;
}

function byName(name: string): ViTConfig {
  if (Object.hasOwn(vitConfigs, name)) return vitConfigs[name as keyof typeof vitConfigs];
  throw rangeError('vit', 'model', `one of ${Object.keys(vitConfigs).join(', ')}`, `'${name}'`);
}
