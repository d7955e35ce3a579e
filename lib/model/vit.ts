import { boolean, checkOptions, choice, finite, integer, listOf, positive } from '../check.ts';
import { quoted, rangeError, typeError } from '../errors.ts';
import { nearestNames } from '../nearest-names.ts';
import { areFinitePixels, leastFloat } from './limits.ts';
import { sides } from './sides.ts';
import type { Channels, ViTConfig } from './types.ts';
import { parseViT } from './vit-json.ts';
import { findModel, vitConfigs } from './vit-models.ts';

export { type SquareViT, vitConfigs } from './vit-models.ts';

/** Maximum depth: descriptions come from files, and each block takes time and memory. Published models are far shallower. */
const maxDepth = 1024;

/** A configuration with every default filled in. */
export type WholeViT = Required<ViTConfig>;

/**
 * Returns a checked configuration with every default filled in, from a name, from JSON text with the arguments of a timm
 * model (see `parseViT`), or from an object.
 */
export function resolveViT(model: string | ViTConfig): WholeViT {
  const config = withDefaults(
    typeof model === 'string' ? byText(model) : checkOptions('vit', model, 'model'),
  );
  for (const key of ['patchSize', 'embedDim', 'numHeads', 'attnPoolNumHeads'] as const)
    integer('vit', key, config[key], 1, Number.MAX_SAFE_INTEGER);
  integer('vit', 'depth', config.depth, 1, maxDepth);
  for (const key of ['regTokens', 'mlpAlign'] as const)
    integer('vit', key, config[key], 0, Number.MAX_SAFE_INTEGER);
  for (const [key, known] of Object.entries(choices)) choice('vit', key, config[key as 'family'], known);
  for (const key of flags) boolean('vit', key, config[key], false);
  for (const key of ['mlpRatio', 'normEps', 'attnPoolMlpRatio', 'ropeTemperature'] as const)
    positive('vit', key, config[key]);
  finite('vit', 'ropeGridOffset', config.ropeGridOffset);
  if (config.normEps < leastFloat || config.normEps > 1)
    throw rangeError('vit', 'normEps', `a number from ${leastFloat} to 1`, config.normEps);
  checkSizes(config);
  checkTokens(config);
  return { ...config, ...checkedChannels('vit', config) };
}

/** Returns the number of tokens before the patches. */
export function prefixTokens({
  classToken = true,
  distilled = false,
  regTokens = 0,
}: Pick<ViTConfig, 'classToken' | 'distilled' | 'regTokens'>): number {
  return (classToken ? 1 : 0) + (distilled ? 1 : 0) + regTokens;
}

export function hasKeyBias({ qkvBias, family, attnType }: WholeViT): boolean {
  return qkvBias && (family === 'vit' || attnType === 'rope');
}

/** Returns the number of rows and columns of patches. */
export function gridOf({
  imgSize,
  patchSize,
}: Pick<ViTConfig, 'imgSize' | 'patchSize'>): readonly [number, number] {
  const [height, width] = sides(imgSize);
  return [height / patchSize, width / patchSize];
}

const choices = {
  family: ['vit', 'eva'],
  attnType: ['eva', 'rope'],
  globalPool: ['token', 'avg', 'map'],
  normLayer: ['layernorm', 'rmsnorm'],
  actLayer: ['gelu', 'gelu_tanh', 'quick_gelu', 'silu'],
  mlpLayer: ['mlp', 'swiglu', 'swiglu_packed'],
  ropeType: ['none', 'cat', 'mixed', 'dinov3'],
  ropeGridIndexing: ['ij', 'xy'],
} as const satisfies { [K in keyof ViTConfig]?: readonly WholeViT[K][] };

const flags = [
  'qkvBias',
  'distilled',
  'classToken',
  'posEmbed',
  'noEmbedClass',
  'preNorm',
  'finalNorm',
  'fcNorm',
  'poolIncludePrefix',
  'qkNorm',
  'scaleAttnNorm',
  'scaleMlpNorm',
  'qkvFused',
  'ropeRotateHalf',
] as const satisfies readonly (keyof ViTConfig)[];

/** Adds timm's defaults, except that gated layers of `vit` use SiLU. Some defaults depend on other options. */
function withDefaults(given: ViTConfig): WholeViT {
  const { family = 'vit', numHeads, mlpRatio = 4, mlpLayer = 'mlp' } = given;
  const { globalPool = family === 'eva' ? 'avg' : 'token' } = given;
  const { fcNorm = globalPool === 'avg' } = given;
  return {
    mlpRatio,
    qkvBias: true,
    normEps: 1e-6,
    distilled: false,
    initValues: null,
    family,
    classToken: true,
    regTokens: 0,
    posEmbed: true,
    noEmbedClass: false,
    preNorm: false,
    finalNorm: !fcNorm,
    fcNorm,
    globalPool,
    poolIncludePrefix: family === 'eva' && globalPool === 'map',
    attnPoolNumHeads: numHeads,
    attnPoolMlpRatio: mlpRatio,
    qkNorm: false,
    scaleAttnNorm: false,
    scaleMlpNorm: false,
    normLayer: 'layernorm',
    actLayer: mlpLayer === 'mlp' ? 'gelu' : 'silu',
    mlpLayer,
    mlpAlign: 0,
    qkvFused: true,
    attnType: 'eva',
    ropeType: 'none',
    ropeTemperature: 10_000,
    ropeGridOffset: 0,
    ropeGridIndexing: 'ij',
    ropeRotateHalf: false,
    refFeatShape: null,
    ...given,
  };
}

function checkSizes({
  imgSize,
  patchSize,
  embedDim,
  numHeads,
  attnPoolNumHeads,
  globalPool,
  ropeType,
}: WholeViT): void {
  for (const side of sides(imgSize)) {
    integer('vit', 'imgSize', side, 1, Number.MAX_SAFE_INTEGER);
    if (side % patchSize !== 0) throw rangeError('vit', 'imgSize', `a multiple of ${patchSize}`, side);
  }
  if (embedDim % numHeads !== 0) throw rangeError('vit', 'embedDim', `a multiple of ${numHeads}`, embedDim);
  if (globalPool === 'map' && embedDim % attnPoolNumHeads !== 0)
    throw rangeError('vit', 'embedDim', `a multiple of ${attnPoolNumHeads} (attnPoolNumHeads)`, embedDim);
  if (ropeType !== 'none' && (embedDim / numHeads) % 4 !== 0)
    throw rangeError('vit', 'embedDim', `a multiple of ${4 * numHeads} for rotary positions`, embedDim);
}

function checkTokens({ globalPool, classToken, distilled, regTokens }: WholeViT): void {
  if (globalPool === 'token' && !classToken)
    throw rangeError('vit', 'globalPool', 'avg or map without a class token', globalPool);
  const plain = globalPool === 'token' && regTokens === 0;
  if (distilled && !plain)
    throw rangeError('vit', 'distilled', "false unless globalPool is 'token' and regTokens is 0", true);
}

/** Returns validated copies of the means and standard deviations of the channels. */
export function checkedChannels(
  operation: string,
  given: { mean: Channels; std: Channels },
): { mean: Channels; std: Channels } {
  const [mean, std] = (['mean', 'std'] as const).map((key) => {
    const list = listOf(given[key], 3);
    if (list === null) throw typeError(operation, key, 'three numbers, one per channel', quoted(given[key]));
    const check = key === 'std' ? positive : finite;
    for (const each of list) check(operation, key, each);
    return list as unknown as Channels;
  });
  if (!areFinitePixels(mean!, std!))
    throw rangeError(operation, 'std', 'numbers that keep normalized pixels finite in float32', `[${std}]`);
  return { mean: mean!, std: std! };
}

function byText(text: string): ViTConfig {
  return text.trimStart().startsWith('{') ? parseViT(text, byName) : byName(text);
}

function byName(name: string): ViTConfig {
  const known = findModel(name);
  if (known !== undefined) return known;
  const nearest = nearestNames(name, Object.keys(vitConfigs)).join(', ');
  const error = rangeError('vit', 'model', 'the name of a vision transformer', `'${name}'`);
  error.message += `. Other networks are not supported. The nearest names are ${nearest}; a JSON file with the arguments of a timm model is accepted, too.`;
  throw error;
}
