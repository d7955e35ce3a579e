import type { Reals } from '../matrix.ts';
import type { Outcome, PlacedCalls } from './binding-calls.ts';

/** Three matrices, null if unused; their shapes are among the numeric arguments of the call. */
type ArrayTriple = [Reals | null, Reals | null, Reals | null];

export type { Outcome } from './binding-calls.ts';

/**
 * The exports of the core: the calls of native/bind/calls.h, which take positional arguments, and the members below.
 * The WebAssembly core has the same exports.
 */
export interface Core extends PlacedCalls {
  /** Returns the arguments of {@link PlacedCalls} as JSON, from which both files `binding-calls.ts` are generated. */
  describeCalls(): string;
  /**
   * Version of the function tables (kAbi in native/core.h); an addon that uses the tables must have the same version.
   * Null if the core has no function tables.
   */
  readonly abi: number | null;
  /** The names of the numeric arguments of a row-wise call, in order; lib/row/call.ts is generated from them. */
  readonly rowCall: readonly string[];
  /** Index in `callBuffer` at which the elements of a short call begin. */
  readonly shortData: number;
  /** Computes a row-wise operation from its numeric arguments (lib/row/call.ts) and three inputs. */
  row(numbers: Float64Array, ...rest: [...ArrayTriple, out: Reals]): Outcome;
  /**
   * Computes the gradients of a row-wise operation with respect to its three inputs and, in `gradScalars`, to c and the
   * operation's parameter.
   */
  rowVjp(
    numbers: Float64Array,
    ...rest: [...ArrayTriple, cotangent: Reals, ...ArrayTriple, gradScalars: Float64Array]
  ): Outcome;
  /** The array that {@link rowShort} and {@link rowVjpShort} read and write; native/bind/calls.h documents its layout. */
  readonly callBuffer: Float64Array;
  /** Synchronous `row` for short inputs; all arguments and the result are in `callBuffer`. */
  rowShort(): void;
  /** Synchronous `rowVjp` for short inputs. */
  rowVjpShort(): void;
  /** The row-wise operations as JSON; lib/row/card.ts has the type. */
  readonly rowCards: string;
  /** The row-wise operations of the head, and the head's guards, as JSON; lib/row/card.ts has the type. */
  readonly headCards: string;
  /** The cards of the metrics, the geometries and the pair losses as JSON; lib/cards.ts has the types. */
  readonly metricCards: string;
  readonly geometryCards: string;
  readonly lossCards: string;
  /** The parameters of the loss's logit with their defaults, as JSON. */
  readonly logitParameters: string;
  cancel(job: number): void;
  /** The last job number of lib/call/run.ts, kept here because a bundle may contain a second copy of that file. */
  lastJob?: number;
  /**
   * Returns the function table of a device (-1: the CPU) or of a SIMD level, as a type-tagged handle for another addon;
   * null if unavailable.
   */
  backend(which: number | string): object | null;
  /**
   * Loads a shared library by its absolute path.
   * @param overrides - whether libraries that are loaded later use its symbols instead of their own
   */
  dlopenLibrary(path: string, overrides: boolean): void;
  /** Loads the JPEG decoder at an absolute path. `decodeJpeg` then uses it in all threads of the process. */
  openJpegDecoder(path: string): void;
  /**
   * Locks an open file until it is unlocked or closed. Returns false if a conflicting lock is held; null if locking fails
   * for another reason, for example on a file system without such locks.
   */
  lockFile(descriptor: number, exclusive: boolean): boolean | null;
  /**
   * Releases the lock immediately. Closing the file does not release it while a forked process still has a copy of the
   * descriptor.
   */
  unlockFile(descriptor: number): void;
  readonly cpu: {
    readonly level: string | null;
    readonly levels: readonly string[];
    readonly threads: number;
  };
}

/** Describes the core and this machine. */
export interface CoreInfo {
  /** The SIMD level in use: the machine's best, or the one in `HOROBALL_ISA`; `'simd128'` on WebAssembly. */
  readonly level: string;
  /** The levels that this machine supports. */
  readonly levels: readonly string[];
  /** Default number of threads per call. */
  readonly threads: number;
}

/** Describes a loaded core. */
export function infoOf({ cpu: { level, levels, threads } }: Core): CoreInfo {
  return { level: level as string, levels: [...levels], threads };
}
