/** Types of tensors, models, the loss and the optimizer. */

import type { BatchLoss } from '../../batch-loss.ts';
import type { Geometry } from '../../cards.ts';
import type { Device as AnyDevice, Compat } from '../../check.ts';
import type { TensorData } from '../../io/elements.ts';
import type { Reduction } from '../../loss-types.ts';
import type { Channels, Head, ImageSize, ViTConfig } from '../../model/types.ts';

export type { Channels, Head, ImageSize, ViTConfig };

/** The device of a model. */
export type Device = Exclude<AnyDevice, 'auto'>;

/** A named parameter or state entry: row-major float32 values and their shape. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** An input tensor. If float32 is expected, float64 values are rounded and integers are rejected. */
export interface AnyTensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Options of calls that a signal can cancel. */
export interface WaitOptions {
  /** If the signal is aborted, the promise rejects with its reason, and queued work that has not started is dropped. */
  signal?: AbortSignal;
}

/** Memory held by this thread's live handles. */
export interface TorchMemory {
  /** Handles not yet disposed of. */
  handles: number;
  /** Bytes of the tensors of these handles, without the intermediate results of autograd graphs. */
  bytes: number;
}

/** The values of {@link Precision}. */
export const precisions = ['float32', 'bfloat16', 'float16'] as const;
/** Element type of the backbone's matrix products; weights, geometry and loss stay float32. */
export type Precision = (typeof precisions)[number];

/** Options of `Embedder.create`. */
export interface EmbedderOptions {
  /** Backbone: a name in `vitConfigs`, JSON text with the arguments of a timm model, or a configuration. */
  model: string | ViTConfig;
  head: Head;
  /** Dimension of the embedding, 1 or more. */
  dim: number;
  /** Maximum norm to which vectors are clipped before expmap0, above 0; null: not clipped. */
  clipR: number | null;
  /** The ball's curvature is -c; c > 0. */
  c: number;
  /** Seed of the initial weights, an integer >= 0. */
  seed: number;
  /** Default `cpu`. */
  device?: Device;
  /** Freeze the patch embedding; default false. */
  freezePatchEmbed?: boolean;
  /** Number of blocks to freeze, counted from the first; default 0. */
  freezeBlocks?: number;
  /** Freeze the head's projection; default false. */
  freezeHead?: boolean;
  /**
   * `hypmix`: the published numerical guards of clip, expmap0 and project; also determines the tokens that a distilled
   * backbone is trained on (see `purpose` in `ForwardOptions`). Default null.
   */
  compat?: Compat | null;
  /** Precision of backbone operations that libtorch's autocast supports; the head is always float32. Default float32. */
  precision?: Precision;
}

/** The options with all defaults filled in. */
export type EmbedderConfig = Readonly<Required<Omit<EmbedderOptions, 'model'>>> & {
  readonly model: Readonly<Required<ViTConfig>>;
};

/** A trainable or frozen tensor of the model, with timm's name. */
export interface Parameter {
  name: string;
  shape: readonly number[];
  trainable: boolean;
}

/** Options of `HybridLoss`. */
export interface HybridLossOptions {
  /**
   * `views`, the default: the cross entropy over all ordered pairs of views, as published. Otherwise a loss of
   * `contrastiveLoss`, averaged over its terms, or `proxy-nca` (Teh et al. 2020), the cross entropy over all proxies. Only
   * `views` has CUDA kernels; the others copy the rows to the host. `proxy-anchor` and `proxy-nca` require `Proxies`.
   */
  loss?: BatchLoss;
  geometry: Geometry;
  /** Whether both outputs are functions of the same unit vector (`embedder.tied`), so that one Gram matrix serves both. */
  tied: boolean;
  /** Images per class in a batch, 2 or more. */
  views: number;
  /** Temperatures of the cosine and of the hyperbolic (or chordal) distance; above 0. */
  tauE: number;
  tauH: number;
  /** Weight of the hyperbolic term in `hybrid`, >= 0. */
  lambda: number;
  /** The ball's curvature is -c; c > 0. */
  c: number;
  /**
   * The norm at which the head clips features before expmap0 (tied only); null, the default: not clipped. Unit rows are
   * not changed by a limit of 1 or more, so the default of `hybridContrastiveLoss`, 2.3, gives the same results.
   */
  clipR?: number | null;
  /** For `views`: `sum` (the default, as published) adds the losses of the ordered pairs of views; `mean` averages them. */
  reduction?: Reduction;
  /** `hypmix`: the published numerical guards; default null. */
  compat?: Compat | null;
  /**
   * The strength of hard negative sampling (not the `beta` of `contrastiveLoss`). For `views` with geometry `euclidean`, each
   * negative is weighted by exp(hardness s), where s is its logit (Robinson et al. 2021, arXiv 2010.04592, without the
   * correction for false negatives). 0, the default, is the plain loss. `train --beta` sets it.
   */
  hardness?: number;
  /**
   * The former name of `hardness`. The `beta` of `contrastiveLoss` is different: a factor of the negatives' logits.
   * @deprecated Pass `hardness` instead.
   */
  beta?: number;
  /** For `proxy-anchor`: its scale, above 0; default 32. For `multi-similarity`: the scale of positives; default 2. */
  alpha?: number;
  /** For `proxy-anchor`: its margin; default 0.1. */
  margin?: number;
  /**
   * For `proxy-anchor`: the logit at the center of the margin; default 0. For `multi-similarity`: its base; default 0.5.
   */
  base?: number;
}

/** The loss, and statistics of the cross-view logits (between different views), as the published code logs them. */
export interface LossValues {
  loss: number;
  /** Smallest, mean and largest logit of each pair of views, averaged over the pairs. */
  min: number;
  mean: number;
  max: number;
  /** Fraction of rows whose positive has the largest cross-view logit, averaged over the ordered pairs of views. */
  accuracy: number;
  /** Gradients of the loss with respect to its parameters, if requested in `apply`. */
  gradParams?: { tauE: number; tauH: number; lambda: number; c: number };
}

/** @internal Options of the native optimizer: one learning rate factor and one decay per trainable parameter. */
export interface NativeAdamWOptions {
  betas: readonly [number, number];
  eps: number;
  rates: readonly number[];
  decays: readonly number[];
}

/** Options of `GradScaler`. */
export interface GradScalerOptions {
  /** Initial scale; default 65536. The scale stays between 2^-126 and 2^127. */
  scale?: number;
  /** Factor applied to the scale after `interval` steps without overflow, 1 or more; default 2. */
  growth?: number;
  /** Factor applied to the scale after an overflow, between 0 and 1; default 0.5. */
  backoff?: number;
  /** Steps without overflow before the scale grows, 1 or more; default 2000. */
  interval?: number;
}

/** Serializable state of a `GradScaler`. */
export interface ScalerState {
  /** The current scale. */
  scale: number;
  /** Steps since the last overflow or growth. */
  goodSteps: number;
  /** Number of steps skipped because of non-finite gradients. */
  skipped: number;
}
