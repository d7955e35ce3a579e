/** The interface of train.node. */
import type {
  Channels,
  Device,
  EmbedderConfig,
  GradScalerOptions,
  HybridLossOptions,
  LossValues,
  NativeAdamWOptions,
  Parameter,
  ScalerState,
  TorchMemory,
} from './types.ts';

declare const handleBrand: unique symbol;
/** A native resource owned by the lane. */
export interface Handle {
  readonly [handleBrand]: true;
}

declare const cancelBrand: unique symbol;
/** A flag that queued work checks before and while it runs. */
export interface Cancel {
  readonly [cancelBrand]: true;
}

/** The options of the loss, the index of its geometry in the core, and the matrices that it reads. */
export interface LossNumbers extends Required<HybridLossOptions> {
  geometryIndex: number;
  gradParams: boolean;
}

/** The options of an embedder, and the core's operations that map a row of its head to the ball. */
export interface EmbedderNumbers extends EmbedderConfig {
  toBall: readonly { readonly index: number; readonly parameter: number }[];
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

/** train.node. Calls without a promise are queued; their errors reject the lane's next promise. */
export interface TrainAddon {
  readonly builtVersion: string;
  readonly version: string;
  open(backend: unknown, cuda: readonly unknown[]): void;
  close(): void;
  info(): { cuda: boolean; threads: number };
  memory(): TorchMemory;
  cancelFlag(): Cancel;
  cancel(flag: Cancel): void;
  dispose(handle: Handle): void;
  manualSeed(seed: number): void;
  setThreads(threads: number): void;

  batch(
    images: Uint8Array,
    count: number,
    height: number,
    width: number,
    mean: Channels,
    std: Channels,
    device: Device,
  ): Handle;
  normalizedBatch(images: Float32Array, count: number, height: number, width: number, device: Device): Handle;
  readTensor(tensor: Handle, out: Float32Array, cancel: Cancel | null): Promise<void>;
  backwardTensor(tensor: Handle, cotangent: Float32Array): void;

  embedder(config: EmbedderNumbers): Handle;
  describeModel(embedder: Handle): Promise<Parameter[]>;
  forward(
    embedder: Handle,
    batch: Handle,
    train: boolean,
    classAlone: boolean,
    cancel: Cancel | null,
  ): readonly [body: Handle, euclidean: Handle, hyperbolic: Handle];
  readModel(
    embedder: Handle,
    what: 'value' | 'gradient',
    names: readonly string[],
    out: readonly Float32Array[],
    cancel: Cancel | null,
  ): Promise<void>;
  writeModel(
    embedder: Handle,
    names: readonly string[],
    values: readonly Float32Array[],
    cancel: Cancel | null,
  ): Promise<void>;

  loss(euclidean: Handle, hyperbolic: Handle, options: LossNumbers, order: Int32Array | null): Handle;
  backwardLoss(loss: Handle, factor: number, scaler: Handle | null): void;
  readLoss(loss: Handle, cancel: Cancel | null): Promise<LossValues>;

  adamw(embedder: Handle, options: NativeAdamWOptions): Handle;
  clipGradNorm(optimizer: Handle, max: number): void;
  step(optimizer: Handle, lr: number): void;
  zeroGrad(optimizer: Handle): void;
  gradNorm(optimizer: Handle, cancel: Cancel | null): Promise<number>;
  readOptimizer(optimizer: Handle, out: readonly Float32Array[], cancel: Cancel | null): Promise<void>;
  writeOptimizer(optimizer: Handle, values: readonly Float32Array[], cancel: Cancel | null): Promise<void>;

  setCurvature(embedder: Handle, c: number, learnable: boolean): void;
  curvatureGradient(embedder: Handle, cancel: Cancel | null): Promise<number>;
  /** Empty if all values are finite. */
  firstNotFinite(embedder: Handle, batch: Handle): Promise<string>;
  readRandom(device: Device): Promise<Uint8Array>;
  writeRandom(device: Device, state: Uint8Array): Promise<void>;

  scaler(options: Required<GradScalerOptions>): Handle;
  unscale(scaler: Handle, optimizer: Handle): void;
  stepScaled(scaler: Handle, optimizer: Handle, lr: number): void;
  updateScale(scaler: Handle): void;
  readScaler(scaler: Handle, cancel: Cancel | null): Promise<ScalerState & { overflowed: boolean }>;
  writeScaler(scaler: Handle, scale: number, goodSteps: number, skipped: number): void;

  ema(embedder: Handle): Handle;
  updateEma(ema: Handle, decay: number): void;
  swapEma(ema: Handle): void;
  readEma(ema: Handle, out: readonly Float32Array[], cancel: Cancel | null): Promise<void>;
  writeEma(ema: Handle, values: readonly Float32Array[], cancel: Cancel | null): Promise<void>;

  leaf(parts: readonly Handle[]): Handle;
  backwardRows(outputs: readonly Handle[], leaves: readonly Handle[], first: number): void;
  appendRows(tensor: Handle, rows: Float32Array): Handle;

  group(): Handle;
  joinGroup(group: Handle, options: GroupNumbers, cancel: Cancel | null): Promise<void>;
  shareText(group: Handle, key: string, text: string): Promise<string>;
  sumValues(group: Handle, values: Float64Array): Promise<void>;
  gatherValues(
    group: Handle,
    values: Float32Array,
    counts: readonly number[],
    out: Float32Array,
  ): Promise<void>;
  gatherRows(group: Handle, tensor: Handle, counts: readonly number[]): Handle;
  broadcastModel(group: Handle, embedder: Handle): Promise<void>;
  groupAt(group: Handle, where: string): void;
  failGroup(group: Handle, message: string): void;
  closeGroup(group: Handle): Promise<void>;
  gradientSum(embedder: Handle, group: Handle): Handle;
  armGradientSum(sum: Handle): void;
  finishGradientSum(sum: Handle): void;
}
