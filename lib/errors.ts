/** Every error code of this package, including the core and the training layer; lib/guide/errors.md explains them. */
export const errorCodes = [
  'ERR_HOROBALL_ABI',
  'ERR_HOROBALL_ARCHIVE',
  'ERR_HOROBALL_BENCH',
  'ERR_HOROBALL_BUILD',
  'ERR_HOROBALL_CACHE',
  'ERR_HOROBALL_CANCELLED',
  'ERR_HOROBALL_CHECKPOINT',
  'ERR_HOROBALL_CLOSED',
  'ERR_HOROBALL_CONFIG',
  'ERR_HOROBALL_DATASET',
  'ERR_HOROBALL_DATA_EMPTY',
  'ERR_HOROBALL_DATA_LAYOUT',
  'ERR_HOROBALL_DATA_READ',
  'ERR_HOROBALL_DETACHED',
  'ERR_HOROBALL_DEVICE',
  'ERR_HOROBALL_DISPOSED',
  'ERR_HOROBALL_DIVERGED',
  'ERR_HOROBALL_DLOPEN',
  'ERR_HOROBALL_DOWNLOAD',
  'ERR_HOROBALL_EMPTY',
  'ERR_HOROBALL_FORMAT',
  'ERR_HOROBALL_HASH',
  'ERR_HOROBALL_INTERNAL',
  'ERR_HOROBALL_ISA',
  'ERR_HOROBALL_LABELS',
  'ERR_HOROBALL_MEMORY',
  'ERR_HOROBALL_NAME',
  'ERR_HOROBALL_NO_BINARY',
  'ERR_HOROBALL_NO_DECODER',
  'ERR_HOROBALL_NO_GRAPH',
  'ERR_HOROBALL_NO_GROUP',
  'ERR_HOROBALL_NO_RUNTIME',
  'ERR_HOROBALL_NO_STEP',
  'ERR_HOROBALL_NO_TORCH',
  'ERR_HOROBALL_NO_TRAIN',
  'ERR_HOROBALL_OPTION',
  'ERR_HOROBALL_PICKLE_REFUSED',
  'ERR_HOROBALL_PICTURE',
  'ERR_HOROBALL_PORT',
  'ERR_HOROBALL_RANGE',
  'ERR_HOROBALL_RANK',
  'ERR_HOROBALL_RENDEZVOUS',
  'ERR_HOROBALL_RUN',
  'ERR_HOROBALL_RUNTIME',
  'ERR_HOROBALL_RUN_BUSY',
  'ERR_HOROBALL_RUN_EXISTS',
  'ERR_HOROBALL_SHAPE',
  'ERR_HOROBALL_SWEEP',
  'ERR_HOROBALL_SWEEP_EXISTS',
  'ERR_HOROBALL_SWEEP_RUNNING',
  'ERR_HOROBALL_TORCH',
  'ERR_HOROBALL_TORCH_LOAD',
  'ERR_HOROBALL_TORCH_VERSION',
  'ERR_HOROBALL_TYPE',
  'ERR_HOROBALL_UNSUPPORTED',
  'ERR_HOROBALL_WEIGHTS',
] as const;

/** An error code of this package. Codes never change, so programs may branch on them. */
export type ErrorCode = (typeof errorCodes)[number];

/** An error of this package. */
export type HoroballError = Error & { readonly code: ErrorCode };

/**
 * Whether a value is an error of this package, with a `code` to branch on. Also true for errors from another copy of
 * the package and from the `error` event of a worker thread. Errors sent with `postMessage` lose their code.
 *
 * @example
 * try {
 *   dist0.sync(new Float32Array(2), { c: -1 });
 * } catch (error) {
 *   if (!isHoroballError(error)) throw error;
 *   error.code; // => 'ERR_HOROBALL_RANGE'
 * }
 */
export function isHoroballError(error: unknown): error is HoroballError {
  if (error === null || typeof error !== 'object' || !('code' in error) || !('message' in error))
    return false;
  return (errorCodes as readonly unknown[]).includes(error.code);
}

/** A constructor of one of the built-in error classes. */
export type ErrorClass<E extends Error> = new (message: string) => E;

/** An error with a stable `code`, like Node's own errors. */
export type Coded<E extends Error = Error> = E & { code: ErrorCode };

/**
 * Creates an error with a stable code.
 *
 * @param code - `ERR_HOROBALL_...`; callers may branch on it, so it never changes
 * @param message - one sentence; for an invalid argument `[operation] argument: expected ..., got ...`
 * @param Base - the error class, `Error` by default
 */
export function coded<E extends Error = Error>(
  code: ErrorCode,
  message: string,
  Base: ErrorClass<E> = Error as unknown as ErrorClass<E>,
): Coded<E> {
  return Object.assign(new Base(printable(message)), { code });
}

/** Escapes control characters: text that a message quotes from a file must not change what a terminal shows. */
export function printable(message: string): string {
  return message.replace(/(?![\n\t])\p{Cc}/gu, (each) => {
    return `\\x${each.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Returns the error that a block threw, without errors that disposing its `using` declarations threw afterwards. */
export function firstError(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first)
    first = first.suppressed;
  return first;
}

/** Creates the error for an argument of the wrong type: `ERR_HOROBALL_TYPE`. */
export function typeError(
  operation: string,
  argument: string,
  expected: string,
  got: unknown,
): Coded<TypeError> {
  return coded('ERR_HOROBALL_TYPE', text(operation, argument, expected, got), TypeError);
}

/** Creates the error for an argument of the right type with an invalid value: `ERR_HOROBALL_RANGE`. */
export function rangeError(
  operation: string,
  argument: string,
  expected: string,
  got: unknown,
): Coded<RangeError> {
  return coded('ERR_HOROBALL_RANGE', text(operation, argument, expected, got), RangeError);
}

/** Creates the error for a matrix of the wrong shape or a list of the wrong length: `ERR_HOROBALL_SHAPE`. */
export function shapeError(
  operation: string,
  argument: string,
  expected: string,
  got: unknown,
): Coded<RangeError> {
  return coded('ERR_HOROBALL_SHAPE', text(operation, argument, expected, got), RangeError);
}

function text(operation: string, argument: string, expected: string, got: unknown): string {
  return `[${operation}] ${argument}: expected ${expected}, got ${describe(got)}`;
}

/** Maximum number of characters of a string in a message; longer strings are shortened. */
const maxQuoted = 200;

/** Formats a given value, with quotes around strings so that '1' does not look like a number. */
export function quoted(value: unknown): unknown {
  if (typeof value === 'string')
    return value.length > maxQuoted ? `'${value.slice(0, maxQuoted)}...'` : `'${value}'`;
  return typeof value === 'bigint' ? bigintText(value) : value;
}

/** Formats a bigint; describes one with many digits, because computing them would take quadratic time. */
function bigintText(value: bigint): string {
  return BigInt.asIntN(256, value) === value ? `${value}n` : 'a bigint of more than 256 bits';
}

/** Describes a value for the end of a message. Strings are used as they are. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return bigintText(value);
  if (value === null || typeof value !== 'object')
    return typeof value === 'function' ? 'a function' : String(value);
  const name = className(value);
  return describeBuiltIn(value, name) ?? (name === undefined ? 'an object' : `an instance of ${name}`);
}

const TypedArray = Object.getPrototypeOf(Int32Array) as new () => ArrayLike<unknown>;

/**
 * Describes an array by its length, which may be what is wrong with it, and an object that `instanceof` takes for a typed
 * array or a Map but whose methods fail; otherwise returns undefined.
 */
function describeBuiltIn(value: object, name = 'typed array'): string | undefined {
  try {
    if (Array.isArray(value)) return `an array of length ${Number(value.length)}`;
    const isArray = value instanceof TypedArray;
    if (isArray && ArrayBuffer.isView(value))
      return `${name.startsWith('I') ? 'an' : 'a'} ${name} of length ${Number(value.length)}`;
    return isArray || (value instanceof Map && !hasEntries(value))
      ? `a proxy or an object that only inherits from ${name}`
      : undefined;
  } catch {
    return undefined; // a proxy or a getter may throw
  }
}

/** Whether the methods of Map accept an object: they reject a proxy of a Map, and an object that only inherits from Map. */
function hasEntries(value: object): boolean {
  try {
    Map.prototype.has.call(value, undefined);
    return true;
  } catch {
    return false;
  }
}

/** Describes the first elements of a list for the end of a message. */
export function describeList(values: readonly unknown[]): string {
  const shown = Array.from({ length: Math.min(values.length, 8) }, (_, i) => describe(values[i]));
  return `[${shown}${values.length > shown.length ? ',...' : ''}]`;
}

/**
 * Returns the name of an object's class; undefined if it cannot be read, because a proxy or a getter may throw or
 * return anything.
 */
function className(value: object): string | undefined {
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' ? name : undefined;
  } catch {
    return undefined;
  }
}
