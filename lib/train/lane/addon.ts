// Generated from the rows of native/torch (exports.h) by `npm run ops:train`: edit those instead.
import type {
  Cancel,
  ConeNumbers,
  EmbedderNumbers,
  GroupNumbers,
  Handle,
  LevelNumbers,
  LibraryInfo,
  LossNumbers,
  ScalerNumbers,
  ScalerReading,
} from './addon-types.ts';
import type { LossValues, NativeAdamWOptions, Parameter, TorchMemory } from './types.ts';

/**
 * The native addon, train.node. Calls with a `cancel` argument are queued for the training thread. If one that returns no
 * promise fails, the next promise of the thread rejects with its error.
 */
export interface TrainAddon {
  readonly builtVersion: string;
  readonly version: string;
  signatures(): string;
  open(backend: object, cuda: readonly object[]): void;
  close(): void;
  info(): LibraryInfo;
  memory(): TorchMemory;
  dispose(handle: Handle): void;
  cancelFlag(): Cancel;
  cancel(flag: Cancel): void;
  manualSeed(seed: number, cancel?: Cancel | null): void;
  idle(cancel?: Cancel | null): Promise<void>;
  setThreads(threads: number, cancel?: Cancel | null): void;
  batch(
    images: Uint8Array,
    count: number,
    height: number,
    width: number,
    mean: readonly number[],
    std: readonly number[],
    device: string,
    cancel?: Cancel | null,
  ): Handle<'Tensor'>;
  normalizedBatch(
    images: Float32Array,
    count: number,
    height: number,
    width: number,
    device: string,
    cancel?: Cancel | null,
  ): Handle<'Tensor'>;
  readTensor(tensor: Handle<'Tensor'>, out: Float32Array, cancel?: Cancel | null): Promise<void>;
  backwardTensor(tensor: Handle<'Tensor'>, cotangent: Float32Array, cancel?: Cancel | null): void;
  embedder(config: EmbedderNumbers, cancel?: Cancel | null): Handle<'Embedder'>;
  describeModel(embedder: Handle<'Embedder'>, cancel?: Cancel | null): Promise<readonly Parameter[]>;
  forward(
    embedder: Handle<'Embedder'>,
    batch: Handle<'Tensor'>,
    train: boolean,
    classAlone: boolean,
    cancel?: Cancel | null,
  ): { body: Handle<'Tensor'>; euclidean: Handle<'Tensor'>; hyperbolic: Handle<'Tensor'> };
  setCurvature(embedder: Handle<'Embedder'>, c: number, learnable: boolean, cancel?: Cancel | null): void;
  curvatureGradient(embedder: Handle<'Embedder'>, cancel?: Cancel | null): Promise<number>;
  readModel(
    embedder: Handle<'Embedder'>,
    gradients: boolean,
    names: readonly string[],
    out: readonly Float32Array[],
    cancel?: Cancel | null,
  ): Promise<void>;
  writeModel(
    embedder: Handle<'Embedder'>,
    names: readonly string[],
    values: readonly Float32Array[],
    cancel?: Cancel | null,
  ): Promise<void>;
  readRandom(device: string, cancel?: Cancel | null): Promise<Uint8Array>;
  writeRandom(device: string, state: Uint8Array, cancel?: Cancel | null): Promise<void>;
  loss(
    euclidean: Handle<'Tensor'>,
    hyperbolic: Handle<'Tensor'>,
    options: LossNumbers,
    order: Int32Array | null,
    proxies: Handle<'Proxies'> | null,
    classes: Int32Array | null,
    cancel?: Cancel | null,
  ): Handle<'Loss'>;
  backwardLoss(
    loss: Handle<'Loss'>,
    factor: number,
    scaler: Handle<'Scaler'> | null,
    cancel?: Cancel | null,
  ): void;
  addTerm(loss: Handle<'Loss'>, term: Handle<'Tensor'>, weight: number, cancel?: Cancel | null): void;
  readLoss(loss: Handle<'Loss'>, cancel?: Cancel | null): Promise<LossValues>;
  proxies(
    embedder: Handle<'Embedder'>,
    values: Float32Array,
    rows: number,
    cancel?: Cancel | null,
  ): Handle<'Proxies'>;
  readProxies(proxies: Handle<'Proxies'>, out: Float32Array, cancel?: Cancel | null): Promise<void>;
  writeProxies(proxies: Handle<'Proxies'>, values: Float32Array, cancel?: Cancel | null): Promise<void>;
  adamw(
    embedder: Handle<'Embedder'>,
    options: NativeAdamWOptions,
    proxies: Handle<'Proxies'> | null,
    cancel?: Cancel | null,
  ): Handle<'AdamW'>;
  clipGradNorm(optimizer: Handle<'AdamW'>, max: number, cancel?: Cancel | null): void;
  step(optimizer: Handle<'AdamW'>, lr: number, cancel?: Cancel | null): void;
  zeroGrad(optimizer: Handle<'AdamW'>, cancel?: Cancel | null): void;
  gradNorm(optimizer: Handle<'AdamW'>, cancel?: Cancel | null): Promise<number>;
  readOptimizer(
    optimizer: Handle<'AdamW'>,
    out: readonly Float32Array[],
    cancel?: Cancel | null,
  ): Promise<void>;
  writeOptimizer(
    optimizer: Handle<'AdamW'>,
    values: readonly Float32Array[],
    cancel?: Cancel | null,
  ): Promise<void>;
  scaler(options: ScalerNumbers, cancel?: Cancel | null): Handle<'Scaler'>;
  unscale(scaler: Handle<'Scaler'>, optimizer: Handle<'AdamW'>, cancel?: Cancel | null): void;
  stepScaled(scaler: Handle<'Scaler'>, optimizer: Handle<'AdamW'>, lr: number, cancel?: Cancel | null): void;
  updateScale(scaler: Handle<'Scaler'>, cancel?: Cancel | null): void;
  readScaler(scaler: Handle<'Scaler'>, cancel?: Cancel | null): Promise<ScalerReading>;
  writeScaler(
    scaler: Handle<'Scaler'>,
    scale: number,
    goodSteps: number,
    skipped: number,
    cancel?: Cancel | null,
  ): void;
  ema(embedder: Handle<'Embedder'>, cancel?: Cancel | null): Handle<'Ema'>;
  updateEma(ema: Handle<'Ema'>, decay: number, cancel?: Cancel | null): void;
  swapEma(ema: Handle<'Ema'>, cancel?: Cancel | null): void;
  readEma(ema: Handle<'Ema'>, out: readonly Float32Array[], cancel?: Cancel | null): Promise<void>;
  writeEma(ema: Handle<'Ema'>, values: readonly Float32Array[], cancel?: Cancel | null): Promise<void>;
  leaf(parts: readonly Handle<'Tensor'>[], cancel?: Cancel | null): Handle<'Tensor'>;
  backwardRows(
    outputs: readonly Handle<'Tensor'>[],
    leaves: readonly Handle<'Tensor'>[],
    first: number,
    cancel?: Cancel | null,
  ): void;
  appendRows(tensor: Handle<'Tensor'>, rows: Float32Array, cancel?: Cancel | null): Handle<'Tensor'>;
  firstNotFinite(
    embedder: Handle<'Embedder'>,
    batch: Handle<'Tensor'>,
    cancel?: Cancel | null,
  ): Promise<string>;
  levelLoss(
    euclidean: Handle<'Tensor'>,
    hyperbolic: Handle<'Tensor'>,
    options: LevelNumbers,
    labels: Int32Array,
    cancel?: Cancel | null,
  ): Handle<'Tensor'>;
  coneLoss(
    hyperbolic: Handle<'Tensor'>,
    options: ConeNumbers,
    nodes: Int32Array,
    rows: Int32Array,
    nodeDepths: Float64Array,
    rowDepths: Float64Array,
    cancel?: Cancel | null,
  ): { cones: Handle<'Tensor'>; radius: Handle<'Tensor'> };
  group(cancel?: Cancel | null): Handle<'Group'>;
  joinGroup(group: Handle<'Group'>, options: GroupNumbers, cancel?: Cancel | null): Promise<void>;
  shareText(group: Handle<'Group'>, key: string, text: string, cancel?: Cancel | null): Promise<string>;
  sumValues(group: Handle<'Group'>, values: Float64Array, cancel?: Cancel | null): Promise<void>;
  gatherValues(
    group: Handle<'Group'>,
    values: Float32Array,
    counts: readonly number[],
    out: Float32Array,
    cancel?: Cancel | null,
  ): Promise<void>;
  gatherRows(
    group: Handle<'Group'>,
    tensor: Handle<'Tensor'>,
    counts: readonly number[],
    cancel?: Cancel | null,
  ): Handle<'Tensor'>;
  broadcastModel(group: Handle<'Group'>, embedder: Handle<'Embedder'>, cancel?: Cancel | null): Promise<void>;
  groupAt(group: Handle<'Group'>, where: string): void;
  failGroup(group: Handle<'Group'>, message: string): void;
  closeGroup(group: Handle<'Group'>, cancel?: Cancel | null): Promise<void>;
  gradientSum(
    embedder: Handle<'Embedder'>,
    group: Handle<'Group'>,
    cancel?: Cancel | null,
  ): Handle<'GradientSum'>;
  armGradientSum(sum: Handle<'GradientSum'>, cancel?: Cancel | null): void;
  finishGradientSum(sum: Handle<'GradientSum'>, cancel?: Cancel | null): void;
}
