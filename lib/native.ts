import { coded } from './errors.ts';
import type { Reals } from './matrix.ts';
import { addonCache } from './places.ts';

/** A matrix as the core takes it: data (null: not given), rows, columns. */
type Flat = [data: Reals | null, rows: number, cols: number];
/** Up to three arrays whose shapes are given apart. */
type Three = [Reals | null, Reals | null, Reals | null];
/** How every call ends: device (-2 auto, -1 CPU, n CUDA), threads (0: all), job (0: at once). */
type Tail = [device: number, threads: number, job: number];
/** Nothing when the job's number was 0, else a promise of it. */
export type Outcome = Promise<undefined> | undefined;

/** What core.node exports; native/node/addon.cc has one row for each family. */
export interface Core {
  pairwise(
    metric: number,
    guards: number,
    c: number,
    ...matrices: [...Flat, ...Flat, ...Flat, ...Tail]
  ): Outcome;
  pairwiseVjp(
    metric: number,
    guards: number,
    c: number,
    ...matrices: [...Flat, ...Flat, ...Flat, ...Flat, ...Flat, gradC: Float64Array | null, ...Tail]
  ): Outcome;
  contrast(
    geometry: number,
    guards: number,
    tied: boolean,
    mean: boolean,
    views: number,
    tauE: number,
    tauH: number,
    lambda: number,
    c: number,
    clip: number,
    ...rest: [
      ...euclidean: Flat,
      ...hyperbolic: Flat,
      order: Int32Array | null,
      loss: Float64Array,
      ...gradEuclidean: Flat,
      ...gradHyperbolic: Flat,
      gradParams: Float64Array | null,
      stats: Float64Array | null,
      ...Tail,
    ]
  ): Outcome;
  select(
    metric: number,
    guards: number,
    c: number,
    k: number,
    ...rest: [
      ...queries: Flat,
      ...gallery: Flat,
      exclude: Int32Array | null,
      allowed: Uint8Array | null,
      indices: Int32Array,
      ...distances: Flat,
      ...Tail,
    ]
  ): Outcome;
  delta(...rest: [...Flat, base: number, delta: Float64Array, diameter: Float64Array, ...Tail]): Outcome;
  /** A row-wise operation: its numbers (lib/operation.ts), three inputs, where the result goes. */
  row(numbers: Float64Array, ...rest: [...Three, out: Reals]): Outcome;
  /** The same with a cotangent, where three gradients go, and those of c and of the card's own number. */
  rowVjp(
    numbers: Float64Array,
    ...rest: [...Three, cotangent: Reals, ...Three, gradScalars: Float64Array]
  ): Outcome;
  /** What {@link rowShort} and {@link rowVjpShort} read and write; native/node/addon.cc has its layout. */
  readonly standing: Float64Array;
  /** `row` at once on a few numbers, all of them in `standing`. */
  rowShort(): void;
  /** `rowVjp` likewise. */
  rowVjpShort(): void;
  /** What the row-wise operations are, as JSON; lib/row-card.ts has the type. */
  readonly rowCards: string;
  /** Crops, resizes and mirrors a picture; native/image/resample.h says what each number is. */
  resample(
    ...picture: [
      width: number,
      height: number,
      layout: number,
      pixels: Uint8Array,
      ...box: [top: number, left: number, height: number, width: number],
      ...resized: [height: number, width: number],
      ...window: [top: number, left: number, size: number, flip: boolean],
      out: Uint8Array,
      threads: number,
      job: number,
    ]
  ): Outcome;
  cancel(job: number): void;
  /** The number that lib/call.ts gave last. It is kept here since a bundle may hold a second copy of that file. */
  lastJob?: number;
  /** A type-tagged handle of a device's table (-1: the CPU) or a CPU level's, for another addon; null if not here. */
  backend(which: number | string): object | null;
  /** Loads a shared library by its absolute path. */
  dlopenLibrary(path: string): void;
  readonly cpu: {
    readonly level: string | null;
    readonly levels: readonly string[];
    readonly threads: number;
  };
}

let loaded: Core | undefined;

/** The light core's binary, loaded on first use. Throws `ERR_HOROBALL_NO_BINARY` when there is none. */
export function core(): Core {
  loaded ??= load();
  return loaded;
}

/** What the native core runs on. */
export interface CoreInfo {
  /** The SIMD level in use: the machine's best, or the one that `HOROBALL_ISA` names. */
  readonly level: string;
  /** The levels that this machine can run. */
  readonly levels: readonly string[];
  /** Threads that a call uses unless told otherwise. */
  readonly threads: number;
}

/**
 * What the native core runs on.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY` when it is not built, `ERR_HOROBALL_ISA` when `HOROBALL_ISA` names a level
 * that the machine lacks
 * @example
 * const { level, levels, threads } = coreInfo(); // 'avx2', ['baseline', 'avx2'], 8
 * levels.includes(level); // => true
 */
export function coreInfo(): CoreInfo {
  const { level, levels, threads } = core().cpu;
  return { level: level as string, levels, threads };
}

function load(): Core {
  const found = open();
  if (found.cpu.level === null) {
    const levels = found.cpu.levels.join(', ');
    const message = `HOROBALL_ISA=${process.env['HOROBALL_ISA']}: this machine has ${levels}; unset it or name one of these`;
    throw coded('ERR_HOROBALL_ISA', message);
  }
  return found;
}

/** As an import, each of Node's modules would cost 0.3 to 2 ms; `fs` the most. */
const builtin = process.getBuiltinModule;

declare const __filename: string;

/**
 * The core that `HOROBALL_CORE` names; or the package's own build or prebuilt binary; or what `horoball setup` built
 * where the package is read-only.
 */
function open(): Core {
  // A bundle in CommonJS has no URL of its own, only a name.
  const here = import.meta.url ?? builtin('node:url').pathToFileURL(__filename).href;
  const require = builtin('node:module').createRequire(here);
  const named = process.env['HOROBALL_CORE'];
  const ways = named
    ? [() => builtin('node:path').resolve(named)]
    : [() => usual(packageFolder(require, here)), () => chosen(require, here), () => cached(require)];
  let first: unknown;
  for (const way of ways) {
    try {
      return require(way()) as Core;
    } catch (cause) {
      first ??= cause;
    }
  }
  throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', whyNot(first, named)), { cause: first });
}

/**
 * A build of this checkout, else the binary that was published for this machine, by the names that they have nearly
 * always: node-gyp-build and the look-up of our own package took 4 of the 5 ms until the core was loaded.
 */
function usual(folder: string): string {
  const { join } = builtin('node:path');
  const system = `${process.platform}-${process.arch}`;
  const name = process.platform === 'linux' ? 'horoball.glibc.node' : 'horoball.node';
  const places = ['build/Release/core.node', 'build/Debug/core.node', join('prebuilds', system, name)];
  const found = places.map((place) => join(folder, place)).find(builtin('node:fs').existsSync);
  if (found === undefined) throw new Error(`no binary for ${system} in ${folder}`);
  return found;
}

/** What node-gyp-build makes of the tags in the names: another libc, a processor's version, HOROBALL_PREBUILD. */
function chosen(require: NodeJS.Require, here: string): string {
  const { path } = require('node-gyp-build') as { path(folder: string): string };
  return path(packageFolder(require, here));
}

/** Two folders up; only a bundle has to look the package up by its name. */
function packageFolder(require: NodeJS.Require, here: string): string {
  const { dirname, join } = builtin('node:path');
  const above = builtin('node:url').fileURLToPath(new URL('../../', here));
  try {
    const text = builtin('node:fs').readFileSync(join(above, 'package.json'), 'utf8');
    if ((JSON.parse(text) as { name?: unknown }).name === 'horoball') return above;
  } catch {
    // No package there, or one that is not this.
  }
  return dirname(require.resolve('horoball/package.json'));
}

function cached(require: NodeJS.Require): string {
  const { version } = require('horoball/package.json') as { version: string };
  return builtin('node:path').join(addonCache(version), 'core.node');
}

function whyNot(cause: unknown, named: string | undefined): string {
  const { message = String(cause), code } = cause as { message?: string; code?: string };
  const advice = named
    ? 'HOROBALL_CORE should name a file such as prebuilds/linux-x64/horoball.glibc.node'
    : code === 'MODULE_NOT_FOUND'
      ? "a bundle needs the package horoball beside it, or HOROBALL_CORE with the path of its core's .node file"
      : 'run `npx horoball setup`, which builds it (with cmake and a C++20 compiler)';
  return `horoball's native core did not load (${message.split('\n', 1)[0]}): ${advice}`;
}
