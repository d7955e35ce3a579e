import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { checkSignal } from '../../call/run.ts';
import { integer, mostThreads, readOptions } from '../../check.ts';
import { coded } from '../../errors.ts';
import { type Core, core, nativeCore } from '../../native.ts';
import { libraryFiles, missingLibrary } from '../../setup/libraries.ts';
import { type BuiltAddon, findAddon, mklName } from '../../setup/record.ts';
import type { TrainAddon } from './addon.ts';
import type { Cancel } from './addon-types.ts';
import type { Device, WaitOptions } from './types.ts';

/** Information about libtorch. */
export interface TorchInfo {
  /** Version of the loaded libtorch, for example 2.13.0. */
  version: string;
  /** The folder from which it was loaded. */
  lib: string;
  /** Whether it can use a CUDA device. */
  cuda: boolean;
  /** Threads per tensor operation. */
  threads: number;
}

/**
 * The loaded addon. `threads` is stored, because libtorch reports the setting of the calling thread, not of the
 * training thread.
 */
let loaded: { addon: TrainAddon; lib: string; threads?: number } | undefined;

/** @internal Returns the training addon; loads it on the first call. */
export function native(): TrainAddon {
  if (loaded === undefined) checkWorkingFolder();
  loaded ??= load();
  return loaded.addon;
}

/**
 * Throws if the working folder was deleted, because oneMKL would abort the process when it loads its libraries. Node
 * caches `process.cwd()`, so the path is resolved by the file system.
 * @throws Error `ERR_HOROBALL_TORCH_LOAD`
 */
export function checkWorkingFolder(): void {
  try {
    realpathSync.native('.');
  } catch {
    const message =
      '[train] cwd: expected an existing working folder, got a deleted one. Change to another folder.';
    throw coded('ERR_HOROBALL_TORCH_LOAD', message);
  }
}

/** Whether the training layer is set up and loads; never throws. */
export function torchAvailable(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns information about the loaded libtorch.
 * @throws Error `ERR_HOROBALL_NO_TRAIN` and related codes if the training layer is unavailable
 */
export function torchInfo(): TorchInfo {
  const addon = native();
  const { lib, threads } = loaded!;
  const info = addon.info();
  return { version: addon.version, lib, ...info, threads: threads ?? info.threads };
}

/**
 * Seeds libtorch's default generators; `Embedder.create` has a separate seed.
 *
 * @param seed - an integer >= 0
 */
export function manualSeed(seed: number): void {
  native().manualSeed(seed);
}

/** Returns the state of a device's generator, for {@link setRandomState}. */
export function randomState(device: Device = 'cpu'): Promise<Uint8Array> {
  return native().readRandom(device);
}

/** Restores the state of a device's generator. */
export function setRandomState(state: Uint8Array, device: Device = 'cpu'): Promise<void> {
  return native().writeRandom(device, state);
}

/**
 * Sets the number of threads per tensor operation. On the CPU, results are bit-identical only with the same number.
 * @param threads - number of threads, from 1 to 1024
 * @throws RangeError `ERR_HOROBALL_RANGE` or TypeError `ERR_HOROBALL_TYPE` for any other value
 */
export function setThreads(threads: number): void {
  integer('setThreads', 'threads', threads, 1, mostThreads);
  native().setThreads(threads);
  loaded!.threads = threads;
}

const advice = 'Run `npx horoball setup`';

function load(): { addon: TrainAddon; lib: string } {
  const light = nativeCore();
  const built = findAddon();
  if (built === undefined) {
    const message = `[train] addon: expected the training addon, got none. ${advice} to find or install libtorch and build the addon.`;
    throw coded('ERR_HOROBALL_NO_TRAIN', message);
  }
  const lib = libraryFolder(built);
  openLibraries(light, built.file, lib);
  const addon = requireAddon(built.file, lib);
  if (addon.version !== addon.builtVersion) {
    const message = `[train] addon: expected an addon built for libtorch ${addon.version} in ${lib}, got one for ${addon.builtVersion}. ${advice}.`;
    throw coded('ERR_HOROBALL_TORCH_VERSION', message);
  }
  addon.open(light.backend(-1)!, cudaTables(light));
  process.once('exit', () => addon.close());
  return { addon, lib };
}

/** Resolves the device of an option: `auto` is `cuda` if libtorch can use a GPU, otherwise `cpu`. */
export function deviceOf(name: string): Device {
  if (name !== 'auto') return name as Device;
  return native().info().cuda ? 'cuda' : 'cpu';
}

/** Returns the device for searches over a network's outputs: `device` if the core has kernels for it, otherwise the CPU. */
export function searchDevice(device: Device): Device {
  if (!device.startsWith('cuda')) return 'cpu';
  const index = Number(device.slice('cuda:'.length) || 0);
  return core().backend(index) === null ? 'cpu' : `cuda:${index}`;
}

/** Returns the core's function table of each CUDA device, in order; empty without kernels or a driver. */
function cudaTables(light: Core): object[] {
  const tables: object[] = [];
  for (let table = light.backend(0); table !== null; table = light.backend(tables.length)) tables.push(table);
  return tables;
}

/** Returns the library folder below LIBTORCH if that is set, otherwise the library folder that `setup` chose. */
function libraryFolder({ record }: BuiltAddon): string {
  const chosen = process.env['LIBTORCH'];
  const lib = chosen === undefined || chosen === '' ? record.libtorch.lib : join(chosen, 'lib');
  if (missingLibrary(lib) === undefined) return lib;
  throw coded(
    'ERR_HOROBALL_NO_TORCH',
    `[train] libtorch: expected libtorch in ${lib}, got a folder without it. ${advice}.`,
  );
}

/**
 * Loads libtorch by absolute path; the addon then finds the loaded libraries by soname, without an rpath. The library that
 * replaces a function of MKL is loaded first.
 */
function openLibraries(light: Core, addon: string, lib: string): void {
  const mkl = join(dirname(addon), mklName);
  try {
    if (existsSync(mkl)) light.dlopenLibrary(mkl, true);
    for (const file of libraryFiles(lib)) light.dlopenLibrary(file, false);
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
  const message = `[train] libtorch: expected a libtorch that loads with this addon, got ${lib} (${why}). ${advice}.`;
  return Object.assign(coded('ERR_HOROBALL_TORCH_LOAD', message), { cause });
}

/** @internal Resolves once all queued work has finished; rejects with the first error. */
export function laneIdle(): Promise<void> {
  return native().idle();
}

const flags = new WeakMap<AbortSignal, Cancel>();

/** @internal Returns the flag that `signal` sets. Each signal has one flag, so that repeated use adds no listeners. */
export function cancelOf(operation: string, signal: AbortSignal | undefined): Cancel | null {
  checkSignal(operation, signal);
  if (signal === undefined) return null;
  const known = flags.get(signal);
  if (known !== undefined) return known;
  const flag = native().cancelFlag();
  if (signal.aborted) native().cancel(flag);
  else signal.addEventListener('abort', () => native().cancel(flag), { once: true });
  flags.set(signal, flag);
  return flag;
}

/** @internal Calls `start` and awaits its result; rejects with the signal's reason if an abort canceled the work. */
export async function waitFor<T>(
  operation: string,
  options: WaitOptions,
  start: (cancel: Cancel | null) => Promise<T>,
): Promise<T> {
  const { signal } = readOptions<Pick<WaitOptions, 'signal'>>(operation, options, ['signal']);
  const cancel = cancelOf(operation, signal);
  try {
    return await start(cancel);
  } catch (error) {
    if (signal?.aborted && (error as { code?: unknown }).code === 'ERR_HOROBALL_CANCELLED')
      throw signal.reason;
    throw error;
  }
}
