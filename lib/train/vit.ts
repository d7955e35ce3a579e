import { finite, integer, positive } from '../check.ts';
import { quoted, rangeError, typeError } from '../errors.ts';
import type { Channels } from './tensor.ts';
import { parseViT } from './vit-json.ts';

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
const tiny = { ...small, embedDim: 192, numHeads: 3 };
const base = { ...small, embedDim: 768, numHeads: 12 };

/** The backbones known by name. `vit_nano` is the one for the built-in data set. */
export const vitConfigs: Record<
  | 'vit_nano'
  | 'vit_tiny_patch16_224'
  | 'vit_small_patch16_224'
  | 'vit_base_patch16_224'
  | 'deit_small_distilled_patch16_224'
  | 'dino_vits16'
  | 'dinov2_vits14',
  ViTConfig
> = {
  vit_nano: { imgSize: 48, patchSize: 8, embedDim: 128, depth: 4, numHeads: 4, mean: half, std: half },
  vit_tiny_patch16_224: { ...tiny, mean: half, std: half },
  vit_small_patch16_224: { ...small, mean: half, std: half },
  vit_base_patch16_224: { ...base, mean: half, std: half },
  deit_small_distilled_patch16_224: { ...small, distilled: true, mean: imageNetMean, std: imageNetStd },
  dino_vits16: { ...small, mean: imageNetMean, std: imageNetStd },
  dinov2_vits14: {
    ...small,
    imgSize: 518,
    patchSize: 14,
    initValues: 1e-5,
    mean: imageNetMean,
    std: imageNetStd,
  },
};

/** Other names of the same backbones: short ones, and timm's for what others published. */
const aliases: Readonly<Record<string, keyof typeof vitConfigs>> = {
  vit_tiny: 'vit_tiny_patch16_224',
  vit_small: 'vit_small_patch16_224',
  vit_base: 'vit_base_patch16_224',
  vit_small_patch16_224_dino: 'dino_vits16',
  'vit_small_patch16_224.dino': 'dino_vits16',
  vit_small_patch14_dinov2: 'dinov2_vits14',
};

/**
 * A configuration by name, as JSON text in timm's terms (see `parseViT`) or in full, checked and with every default
 * filled in.
 */
export function resolveViT(model: string | ViTConfig): Required<ViTConfig> {
  const given = typeof model === 'string' ? byText(model) : model;
  const defaults = { mlpRatio: 4, qkvBias: true, normEps: 1e-6, distilled: false, initValues: null };
  const config = { ...defaults, ...given };
  for (const key of ['imgSize', 'patchSize', 'embedDim', 'depth', 'numHeads'] as const) {
    integer('vit', key, config[key], 1, Number.MAX_SAFE_INTEGER);
  }
  const { imgSize, patchSize, embedDim, numHeads } = config;
  if (imgSize % patchSize !== 0) throw rangeError('vit', 'imgSize', `a multiple of ${patchSize}`, imgSize);
  if (embedDim % numHeads !== 0) throw rangeError('vit', 'embedDim', `a multiple of ${numHeads}`, embedDim);
  for (const key of ['mean', 'std'] as const) checkChannels(key, config[key]);
  for (const each of config.std) positive('vit', 'std', each);
  return config;
}

function checkChannels(key: string, channels: Channels): void {
  if (!Array.isArray(channels) || channels.length !== 3)
    throw typeError('vit', key, 'a number a channel, three in all', quoted(channels));
  for (const each of channels) finite('vit', key, each);
}

function byText(text: string): ViTConfig {
  return text.trimStart().startsWith('{') ? parseViT(text, byName) : byName(text);
}

function byName(name: string): ViTConfig {
  const known = Object.hasOwn(aliases, name) ? aliases[name]! : name;
  if (Object.hasOwn(vitConfigs, known)) return vitConfigs[known as keyof typeof vitConfigs];
  const expected = `one of ${Object.keys(vitConfigs).join(', ')}, or a JSON file as timm has it`;
  throw rangeError('vit', 'model', expected, `'${name}'`);
}
