import type { Channels, ViTConfig } from './types.ts';

/** A configuration for square images. */
export type SquareViT = ViTConfig & { readonly imgSize: number };

const half: Channels = [0.5, 0.5, 0.5];
const imageNet: { mean: Channels; std: Channels } = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const openAI: { mean: Channels; std: Channels } = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};
const halves = { mean: half, std: half };

const small = { imgSize: 224, patchSize: 16, embedDim: 384, depth: 12, numHeads: 6 };
const tiny = { ...small, embedDim: 192, numHeads: 3 };
const base = { ...small, embedDim: 768, numHeads: 12 };
const large = { ...small, embedDim: 1024, depth: 24, numHeads: 16 };
const so400m = { imgSize: 224, patchSize: 14, embedDim: 1152, depth: 27, numHeads: 16, mlpRatio: 3.7362 };

const dinov2 = { imgSize: 518, patchSize: 14, initValues: 1e-5, ...imageNet };
const registers = { regTokens: 4, noEmbedClass: true };
/** Settings of the DINOv3 backbones. The published query and value biases are all 0, so timm omits them. */
const dinov3 = {
  imgSize: 256,
  family: 'eva',
  initValues: 1e-5,
  qkvBias: false,
  normEps: 1e-5,
  posEmbed: false,
  regTokens: 4,
  ropeType: 'dinov3',
  ropeTemperature: 100,
  ropeRotateHalf: true,
  fcNorm: false,
  finalNorm: true,
  globalPool: 'token',
  ...imageNet,
} as const;
const clip = { preNorm: true, normEps: 1e-5, ...openAI };
const quickClip = { ...clip, actLayer: 'quick_gelu' } as const;
const siglip = { classToken: false, globalPool: 'map', ...halves } as const;

/** The backbones known by name. `vit_nano` is intended for the built-in data set, `vit_nano_32` for `emoji`. */
export const vitConfigs = {
  vit_nano: { imgSize: 48, patchSize: 8, embedDim: 128, depth: 4, numHeads: 4, ...halves },
  vit_nano_32: { imgSize: 32, patchSize: 8, embedDim: 128, depth: 3, numHeads: 4, ...halves },
  vit_tiny_patch16_224: { ...tiny, ...halves },
  vit_small_patch16_224: { ...small, ...halves },
  vit_base_patch16_224: { ...base, ...halves },
  deit_small_distilled_patch16_224: { ...small, distilled: true, ...imageNet },
  deit_base_distilled_patch16_224: { ...base, distilled: true, ...imageNet },
  dino_vits16: { ...small, ...imageNet },
  dino_vitb16: { ...base, ...imageNet },
  dinov2_vits14: { ...small, ...dinov2 },
  dinov2_vitb14: { ...base, ...dinov2 },
  dinov2_vitl14: { ...large, ...dinov2 },
  dinov2_vits14_reg: { ...small, ...dinov2, ...registers },
  dinov2_vitb14_reg: { ...base, ...dinov2, ...registers },
  dinov2_vitl14_reg: { ...large, ...dinov2, ...registers },
  dinov3_vits16: { ...small, ...dinov3 },
  dinov3_vitb16: { ...base, ...dinov3 },
  vit_base_patch32_clip_quickgelu_224: { ...base, patchSize: 32, ...quickClip },
  vit_base_patch16_clip_quickgelu_224: { ...base, ...quickClip },
  vit_large_patch14_clip_quickgelu_224: { ...large, patchSize: 14, ...quickClip },
  vit_base_patch32_clip_224: { ...base, patchSize: 32, ...clip },
  vit_base_patch16_clip_224: { ...base, ...clip },
  vit_large_patch14_clip_224: { ...large, patchSize: 14, ...clip },
  vit_base_patch16_siglip_224: { ...base, ...siglip },
  vit_base_patch16_siglip_256: { ...base, imgSize: 256, ...siglip },
  vit_large_patch16_siglip_256: { ...large, imgSize: 256, ...siglip },
  vit_so400m_patch14_siglip_224: { ...so400m, ...siglip },
} satisfies Record<string, SquareViT> as Record<ModelName, SquareViT>;

// Frozen, because all models of a name share one object, which callers can also get.
for (const config of Object.values(vitConfigs)) {
  for (const value of Object.values(config)) Object.freeze(value);
  Object.freeze(config);
}
Object.freeze(vitConfigs);

/** A name in {@link vitConfigs}. */
export type ModelName =
  | `vit_nano${'' | '_32'}`
  | `vit_${'tiny' | 'small' | 'base'}_patch16_224`
  | `deit_${'small' | 'base'}_distilled_patch16_224`
  | `dino_vit${'s' | 'b'}16`
  | `dinov2_vit${'s' | 'b' | 'l'}14${'' | '_reg'}`
  | `dinov3_vit${'s' | 'b'}16`
  | `vit_${'base_patch32' | 'base_patch16' | 'large_patch14'}_clip_${'' | 'quickgelu_'}224`
  | 'vit_base_patch16_siglip_224'
  | `vit_${'base' | 'large'}_patch16_siglip_256`
  | 'vit_so400m_patch14_siglip_224';

/** Aliases of the backbones: short names, and timm's names. */
const aliases: Readonly<Record<string, ModelName>> = {
  vit_tiny: 'vit_tiny_patch16_224',
  vit_small: 'vit_small_patch16_224',
  vit_base: 'vit_base_patch16_224',
  vit_small_patch16_224_dino: 'dino_vits16',
  'vit_small_patch16_224.dino': 'dino_vits16',
  vit_small_patch14_dinov2: 'dinov2_vits14',
  vit_base_patch14_dinov2: 'dinov2_vitb14',
  vit_large_patch14_dinov2: 'dinov2_vitl14',
  vit_small_patch14_reg4_dinov2: 'dinov2_vits14_reg',
  vit_base_patch14_reg4_dinov2: 'dinov2_vitb14_reg',
  vit_large_patch14_reg4_dinov2: 'dinov2_vitl14_reg',
};

/**
 * timm's names of the DINOv3 models, which set `globalPool` to `avg`: the default feature is the mean of the patches in
 * timm, but the class token in the original code.
 */
const meanOfDinov3: Readonly<Record<string, ModelName>> = {
  vit_small_patch16_dinov3: 'dinov3_vits16',
  vit_base_patch16_dinov3: 'dinov3_vitb16',
};

/** Returns the backbone of this name or alias. */
export function findModel(name: string): ViTConfig | undefined {
  if (Object.hasOwn(meanOfDinov3, name)) return { ...vitConfigs[meanOfDinov3[name]!], globalPool: 'avg' };
  const known = Object.hasOwn(aliases, name) ? aliases[name]! : name;
  return Object.hasOwn(vitConfigs, known) ? vitConfigs[known as ModelName] : undefined;
}
