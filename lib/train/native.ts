import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { Device as AnyDevice } from '../check.ts';
import { coded } from '../errors.ts';
import { type Core, core } from '../native.ts';
import { libraryFiles, missingLibrary } from '../setup/libraries.ts';
import { type BuiltAddon, findAddon } from '../setup/record.ts';
import type { HybridLossOptions, LossValues } from './loss.ts';
import type { EmbedderConfig, Parameter } from './model.ts';
import type { NativeAdamWOptions } from './optim.ts';
import type { GradScalerOptions, ScalerState } from './scaler.ts';
import type { Channels, TorchMemory } from './tensor.ts';

/** Where a model lives. */
export type Device = Exclude<AnyDevice, 'auto'>;

declare const handleBrand: unique symbol;
/** A resource that lives on the lane. */
export interface Handle {
  readonly [handleBrand]: true;
}

declare const cancelBrand: unique symbol;
/** A flag that queued work looks at before and while it runs. */
export interface Cancel {
  readonly [cancelBrand]: true;
}

/** What libtorch is and how it runs. */
export interface TorchInfo {
  /** Of the library that is loaded, for example 2.13.0. */
  version: string;
  /** The folder that it was loaded from. */
  lib: string;
  /** Whether it can use a CUDA device. */
  cuda: boolean;
  threads: number;
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
    size: number,
    mean: Channels,
    std: Channels,
    device: Device,
  ): Handle;
  normalisedBatch(pictures: Float32Array, count: number, size: number, device: Device): Handle;
  readTensor(tensor: Handle, out: Float32Array, cancel: Cancel | null): Promise<void>;
  backwardTensor(tensor: Handle, cotangent: Float32Array): void;

  embedder(config: EmbedderConfig): { handle: Handle; ready: Promise<Parameter[]> };
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

  loss(
    euclidean: Handle,
    hyperbolic: Handle,
    options: Required<HybridLossOptions> & { gradParams: boolean },
    order: Int32Array | null,
  ): Handle;
  backwardLoss(loss: Handle, factor: number, scaler: Handle | null): void;
  readLoss(loss: Handle, cancel: Cancel | null): Promise<LossValues>;

  adamw(embedder: Handle, options: NativeAdamWOptions): Handle;
  clipGradNorm(optimizer: Handle, max: number): void;
  step(optimizer: Handle, lr: number): void;
  zeroGrad(optimizer: Handle): void;
  gradNorm(optimizer: Handle, cancel: Cancel | null): Promise<number>;
  readOptimizer(optimizer: Handle, out: readonly Float32Array[], cancel: Cancel | null): Promise<void>;
  writeOptimizer(optimizer: Handle, values: readonly Float32Array[], cancel: Cancel | null): Promise<void>;

  setCurvature(embedder: Handle, c: number, learnt: boolean): void;
  curvatureGradient(embedder: Handle, cancel: Cancel | null): Promise<number>;
  /** Empty when all is finite. */
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
}

let loaded: { addon: TrainAddon; lib: string } | undefined;

/** @internal The training addon, loaded at the first call. */
export function native(): TrainAddon {
  loaded ??= load();
  return loaded.addon;
}

/** Whether the training layer can be used; never throws. */
export function torchAvailable(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}

/** @throws Error `ERR_HOROBALL_NO_TRAIN` and its like when the training layer cannot be used. */
export function torchInfo(): TorchInfo {
  const addon = native();
  return { version: addon.version, lib: loaded!.lib, ...addon.info() };
}

/** Seeds libtorch's own generator; models take their seed in `Embedder.create`. */
export function manualSeed(seed: number): void {
  native().manualSeed(seed);
}

/** The state of a device's own generator, to be put back by {@link setRandomState}. */
export function randomState(device: Device = 'cpu'): Promise<Uint8Array> {
  return native().readRandom(device);
}

export function setRandomState(state: Uint8Array, device: Device = 'cpu'): Promise<void> {
  return native().writeRandom(device, state);
}

/** Threads of one tensor operation. Results are bit-identical from run to run at the same number. */
export function setThreads(threads: number): void {
  native().setThreads(threads);
}

const advice = 'run `npx horoball setup`';

function load(): { addon: TrainAddon; lib: string } {
  const light = core(); // its own error, if it is missing, comes first
  const built = findAddon();
  if (built === undefined) {
    const message = `the training layer is not set up: ${advice}, which finds or installs libtorch and builds the addon`;
    throw coded('ERR_HOROBALL_NO_TRAIN', message);
  }
  const lib = libraryFolder(built);
  openLibraries(light, lib);
  const addon = requireAddon(built.file, lib);
  if (addon.version !== addon.builtVersion) {
    const message = `the training addon was built for libtorch ${addon.builtVersion}, but ${lib} has ${addon.version}: ${advice}`;
    throw coded('ERR_HOROBALL_TORCH_VERSION', message);
  }
  addon.open(light.backend(-1), cudaTables(light));
  process.once('exit', () => addon.close());
  return { addon, lib };
}

/** Where searches run beside a network on `device`: there if the core has kernels for it, else on the CPU. */
export function searchDevice(device: Device): Device {
  if (!device.startsWith('cuda')) return 'cpu';
  const index = Number(device.slice('cuda:'.length) || 0);
  return core().backend(index) === null ? 'cpu' : `cuda:${index}`;
}

/** The core's tables of the CUDA devices, in their order; none where it has no kernels or no driver. */
function cudaTables(light: Core): object[] {
  const tables: object[] = [];
  for (let table = light.backend(0); table !== null; table = light.backend(tables.length)) tables.push(table);
  return tables;
}

/** LIBTORCH, if it is set, else the one that `setup` chose. */
function libraryFolder({ record }: BuiltAddon): string {
  const chosen = process.env['LIBTORCH'];
  const lib = chosen === undefined || chosen === '' ? record.libtorch.lib : join(chosen, 'lib');
  if (missingLibrary(lib) === undefined) return lib;
  throw coded('ERR_HOROBALL_NO_TORCH', `there is no libtorch in ${lib} (any more): ${advice}`);
}

/** Brings libtorch into the process by absolute path; the addon then binds to it by name, with no rpath. */
function openLibraries(light: Core, lib: string): void {
  try {
    for (const file of libraryFiles(lib)) light.dlopenLibrary(file);
  } catch (error) {
    throw loadError(lib, error);
  }
}

function requireAddon(file: string, lib: string): TrainAddon {
  try {
    return createRequire(import.meta.url)(file) as TrainAddon;
  } catch (error) {
    throw loadError(lib, error);
  }
}

function loadError(lib: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
  const message = `libtorch in ${lib} does not load with this training addon (${why}): ${advice}`;
  return Object.assign(coded('ERR_HOROBALL_TORCH_LOAD', message), { cause });
}

const flags = new WeakMap<AbortSignal, Cancel>();

/** @internal The flag that `signal` raises; one a signal, however often it is used. */
export function cancelOf(signal: AbortSignal | undefined): Cancel | null {
  if (signal === undefined) return null;
  const known = flags.get(signal);
  if (known !== undefined) return known;
  const flag = native().cancelFlag();
  if (signal.aborted) native().cancel(flag);
  else signal.addEventListener('abort', () => native().cancel(flag), { once: true });
  flags.set(signal, flag);
  return flag;
}

/** @internal Waits for what `start` begins, and rejects with the signal's own reason when it cancelled it. */
export async function waitFor<T>(
  signal: AbortSignal | undefined,
  start: (cancel: Cancel | null) => Promise<T>,
): Promise<T> {
  try {
    return await start(cancelOf(signal));
  } catch (error) {
    if (signal?.aborted && (error as { code?: unknown }).code === 'ERR_HOROBALL_CANCELLED')
      throw signal.reason;
    throw error;
  }
}
