/** A constructor of one of the built-in error classes. */
export type ErrorClass<E extends Error> = new (message: string) => E;

/** An error with a stable `code`, as Node's own errors have it. */
export type Coded<E extends Error = Error> = E & { code: string };

/**
 * Makes an error with a stable code.
 *
 * @param code - `ERR_HOROBALL_...`; callers may branch on it, so it never changes
 * @param message - one sentence; for arguments `[operation] argument: expected ..., got ...`
 * @param Base - the error class, `Error` by default
 */
export function coded<E extends Error = Error>(
  code: string,
  message: string,
  Base: ErrorClass<E> = Error as unknown as ErrorClass<E>,
): Coded<E> {
  return Object.assign(new Base(message), { code });
}

/** An argument of the wrong kind: `ERR_HOROBALL_TYPE`. */
export function typeError(
  operation: string,
  argument: string,
  expected: string,
  got: unknown,
): Coded<TypeError> {
  return coded('ERR_HOROBALL_TYPE', text(operation, argument, expected, got), TypeError);
}

/** An argument of the right kind with a value that is not allowed: `ERR_HOROBALL_RANGE`. */
export function rangeError(
  operation: string,
  argument: string,
  expected: string,
  got: unknown,
): Coded<RangeError> {
  return coded('ERR_HOROBALL_RANGE', text(operation, argument, expected, got), RangeError);
}

/** Matrices that do not fit together: `ERR_HOROBALL_SHAPE`. */
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

/** A value that somebody gave: a string in quotation marks, so that '1' is not taken for the number. */
export function quoted(value: unknown): unknown {
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'bigint' ? `${value}n` : value;
}

/** A value in a few words, for the end of a message. Strings are taken as descriptions already made. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || typeof value !== 'object')
    return typeof value === 'function' ? 'a function' : String(value);
  return value.constructor?.name === undefined ? 'an object' : `a value of ${value.constructor.name}`;
}
