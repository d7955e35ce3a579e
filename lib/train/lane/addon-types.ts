/** Arguments and results of the calls in addon.ts. The addon reads and writes structs by property name. */
import type { EmbedderConfig, GradScalerOptions, HybridLossOptions, ScalerState } from './types.ts';

declare const handleBrand: unique symbol;
/** A native resource owned by the lane (the training thread); `Kind` is its type in the addon. */
export interface Handle<Kind extends string = string> {
  readonly [handleBrand]: Kind;
}

declare const cancelBrand: unique symbol;
/** A cancellation flag that queued work checks before and while it runs. */
export interface Cancel {
  readonly [cancelBrand]: true;
}

/** The options of the loss, its indices in the tables of the core, and further arguments of the kernels. */
export interface LossNumbers extends Required<HybridLossOptions> {
  geometryIndex: number;
  /** -1 for the loss `views`. */
  lossIndex: number;
  similarityBeta: number;
  /** Whether the proxies are the anchors of the pairs. */
  proxiesAreAnchors: boolean;
  gradParams: boolean;
  divide: boolean;
}

/** The loss of one level of a class tree, and the indices of its geometry and loss in the tables of the core. */
export interface LevelNumbers
  extends Pick<Required<HybridLossOptions>, 'tied' | 'tauE' | 'tauH' | 'lambda' | 'c' | 'clipR' | 'compat'> {
  geometryIndex: number;
  lossIndex: number;
}

/** The index of a row-wise operation of the core, and its parameter. */
export interface RowNumbers {
  readonly index: number;
  readonly parameter: number;
}

/** Arguments of the cone losses: operations, the ball's c, and the target distance of the deepest images from the origin. */
export interface ConeNumbers {
  aperture: RowNumbers;
  angle: RowNumbers;
  distance: RowNumbers;
  c: number;
  reach: number;
}

/** The options of an embedder, and the operations of the core that map a row of the head's output to the ball. */
export interface EmbedderNumbers extends EmbedderConfig {
  toBall: readonly RowNumbers[];
}

/** See `ProcessGroup.join`; times are in seconds. */
export interface GroupNumbers {
  host: string;
  port: number;
  rank: number;
  size: number;
  launched: boolean;
  prefix: string;
  interface: string;
  joinSeconds: number;
  timeout: number;
  patience: number;
}

/** The options of a gradient scaler. */
export type ScalerNumbers = Required<GradScalerOptions>;

/** The state of a gradient scaler, and whether the last step overflowed. */
export type ScalerReading = ScalerState & { overflowed: boolean };

/** Properties of the loaded libtorch: whether it can use a CUDA device, and its number of threads. */
export interface LibraryInfo {
  cuda: boolean;
  threads: number;
}
