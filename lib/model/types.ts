/** Descriptions of networks: backbone and head, independent of the runtime. */
import type { Compat } from '../check.ts';

/** Per-channel mean or standard deviation of images in [0, 1]: red, green, blue. */
export type Channels = readonly [number, number, number];

/** Size of images in pixels: one side of a square, or height and width. */
export type ImageSize = number | readonly [height: number, width: number];

/**
 * A vision transformer as in timm. `family` selects the class in timm: `VisionTransformer` (with
 * `distilled`, `VisionTransformerDistilled`) or `Eva`, which differ in parameter names, initial weights and defaults.
 */
export interface ViTConfig {
  /** Input size in pixels; multiples of `patchSize`. */
  imgSize: ImageSize;
  patchSize: number;
  /** Width of a token; a multiple of `numHeads`. */
  embedDim: number;
  depth: number;
  numHeads: number;
  /** Width of the MLP's hidden layer divided by `embedDim`; 4 by default. */
  mlpRatio?: number;
  qkvBias?: boolean;
  /** Epsilon of the norms; 1e-6 by default. */
  normEps?: number;
  /** A second token in addition to the class token; the feature is the mean of both (DeiT). */
  distilled?: boolean;
  /** Initial value of the layer scale, or null for none. */
  initValues?: number | null;
  /** Mean and standard deviation for input normalization. */
  mean: Channels;
  std: Channels;

  family?: 'vit' | 'eva';
  classToken?: boolean;
  /** Number of register tokens; 0 by default. */
  regTokens?: number;
  /** Learned position embeddings; true by default. */
  posEmbed?: boolean;
  /** Position embeddings of the patches only, not of class and register tokens. */
  noEmbedClass?: boolean;
  /** A norm before the blocks; the patch embedding then has no bias (CLIP). */
  preNorm?: boolean;
  /** A norm of the tokens after the blocks; the opposite of `fcNorm` by default. */
  finalNorm?: boolean;
  /** A norm of the pooled feature; by default only with `globalPool` `avg`. */
  fcNorm?: boolean;
  /** The feature: the class token, the mean of the patches, or attention pooling. Default `token`; for `eva`, `avg`. */
  globalPool?: 'token' | 'avg' | 'map';
  /** Also pool class and register tokens; by default only in attention pooling of `eva`. */
  poolIncludePrefix?: boolean;
  /** Number of heads and MLP ratio of attention pooling; default `numHeads` and `mlpRatio`. */
  attnPoolNumHeads?: number;
  attnPoolMlpRatio?: number;
  /** A norm of queries and keys, per head. */
  qkNorm?: boolean;
  /** A norm before the attention's projection, and before the MLP's last layer. */
  scaleAttnNorm?: boolean;
  scaleMlpNorm?: boolean;
  normLayer?: 'layernorm' | 'rmsnorm';
  /** `silu` by default if the MLP is gated, else `gelu`. */
  actLayer?: 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu';
  /** `swiglu`: separate matrices for gate and value; `swiglu_packed`: one matrix for both. */
  mlpLayer?: 'mlp' | 'swiglu' | 'swiglu_packed';
  /** The hidden width of `swiglu` is rounded up to a multiple of this; 0: not rounded. */
  mlpAlign?: number;
  /** One matrix for queries, keys and values; true by default. */
  qkvFused?: boolean;
  /** Attention class of family `eva`; keys have a bias only with `rope`. `eva` by default. */
  attnType?: 'eva' | 'rope';
  /**
   * Rotary position embeddings: along rows and columns (`cat`), along learned directions (`mixed`), or as in DINOv3.
   */
  ropeType?: 'none' | 'cat' | 'mixed' | 'dinov3';
  ropeTemperature?: number;
  ropeGridOffset?: number;
  /** `xy`: columns come before rows. */
  ropeGridIndexing?: 'ij' | 'xy';
  /** Rotates pairs of channels that are half the head's width apart, instead of neighboring ones. */
  ropeRotateHalf?: boolean;
  /** Grid for which the frequencies of `cat` are defined; other grids are scaled to it. Null: no scaling. */
  refFeatShape?: ImageSize | null;
}

/** The heads, by name. */
export const heads = ['hypmix', 'hyp-vit'] as const;

/**
 * The head after the backbone's linear projection to z. `hypmix`: e = z / |z|, h = project(expmap0(clip(e))), so
 * both outputs are functions of the same direction (tied). `hyp-vit`: h = project(expmap0(clip(z))), so the
 * radius is free; e = z / |z| as before.
 */
export type Head = (typeof heads)[number];

/** Everything that determines the outputs of a network besides its weights. */
export interface NetworkConfig {
  readonly model: Readonly<Required<ViTConfig>>;
  readonly head: Head;
  /** Dimension of the embedding. */
  readonly dim: number;
  /** Largest norm before expmap0, or null for no limit. */
  readonly clipR: number | null;
  /** The ball's curvature is -c; c > 0. */
  readonly c: number;
  /** `hypmix`: the published guards of clip, expmap0 and project. */
  readonly compat: Compat | null;
}
