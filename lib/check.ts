import { coded, quoted, rangeError, typeError } from './errors.ts';

/**
 * The device of a call. `auto`: the first CUDA device if there is one and it supports the operation, otherwise the CPU.
 */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

/** `hypmix`: use the numerical guards of the published code, to reproduce its runs. */
export type Compat = 'hypmix';

/** Names of the options that every call accepts. */
export const callNames: readonly string[] = ['threads', 'device', 'signal'];

/** Names of the options that describe a metric. */
export const metricNames: readonly string[] = ['metric', 'c', 'compat'];

/**
 * Checks that the options of a call are an object, and returns them; an empty object if they are undefined.
 *
 * @param known - names that the call accepts; other properties must be undefined. If omitted, all names are accepted.
 */
export function checkOptions<O extends object>(
  operation: string,
  options: O | undefined,
  argument = 'options',
  known?: ReadonlySet<string>,
): O {
  if (options === undefined) return {} as O;
  if (options === null || typeof options !== 'object')
    throw typeError(operation, argument, 'an object', quoted(options));
  if (known !== undefined) refuseUnknown(operation, options, argument, known);
  return options;
}

/** Throws for an unknown option. Without this check, a misspelled option would silently have no effect. */
export function refuseUnknown(
  operation: string,
  options: object,
  argument: string,
  known: ReadonlySet<string>,
): void {
  for (const name of Object.keys(options)) {
    if (known.has(name) || (options as Record<string, unknown>)[name] === undefined) continue;
    const message = `[${operation}] ${argument}: expected one of ${[...known].join(', ')}, got '${name}'. Correct or remove it.`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
}

/**
 * Returns a copy of the options. Each is read once, so a getter cannot return another value after the check. Undefined
 * options are omitted, so that the caller's defaults apply; unknown names throw.
 */
export function readOptions<O extends object>(
  operation: string,
  options: O | undefined,
  known: readonly (keyof O & string)[],
  argument = 'options',
): O {
  const given = checkOptions(operation, options, argument, new Set(known));
  const entries = known.map((name) => [name, given[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as O;
}

/** Checks that a required argument is an object, and returns it. */
export function checkObject<O extends object>(operation: string, value: O, argument: string): O {
  if (value === undefined) throw typeError(operation, argument, 'an object', 'undefined');
  return checkOptions(operation, value, argument);
}

/** Checks that c is a finite number above 0, and returns it. c has no default: an implicit 1 is easily overlooked. */
export function curvature(operation: string, c: unknown): number {
  return positive(operation, 'c', c, ' (the curvature is -c)');
}

/** Checks that a value is a finite number above 0, and returns it. */
export function positive(operation: string, argument: string, value: unknown, meaning = ''): number {
  if (typeof value !== 'number')
    throw typeError(operation, argument, `a number > 0${meaning}`, quoted(value));
  if (!(value > 0 && value < Infinity)) {
    throw rangeError(operation, argument, `a finite number > 0${meaning}`, value);
  }
  return value;
}

/** Checks that a value is a finite number of 0 or more, and returns it. */
export function atLeastZero(operation: string, argument: string, value: unknown): number {
  if (typeof value !== 'number')
    throw typeError(operation, argument, 'a number of at least 0', quoted(value));
  if (!(value >= 0 && value < Infinity))
    throw rangeError(operation, argument, 'a finite number of at least 0', value);
  return value;
}

/** Checks that a value is a number of at least 0 and below 1, and returns it. */
export function share(operation: string, argument: string, value: unknown): number {
  if (typeof value !== 'number')
    throw typeError(operation, argument, 'a number of at least 0 and below 1', quoted(value));
  if (!(value >= 0 && value < 1))
    throw rangeError(operation, argument, 'a number of at least 0 and below 1', value);
  return value;
}

/** Checks that a value is a finite number, and returns it. */
export function finite(operation: string, argument: string, value: unknown): number {
  if (typeof value !== 'number') throw typeError(operation, argument, 'a number', quoted(value));
  if (!Number.isFinite(value)) throw rangeError(operation, argument, 'a finite number', value);
  return value;
}

/**
 * Maximum length of a path: the limit of Windows, the highest of any system. Longer paths are rejected early, because
 * normalizing `../` takes quadratic time.
 */
const longestPath = 32_767;

/** Checks that a value can be a file system path, and returns it. */
export function filePath(operation: string, argument: string, value: unknown): string {
  if (typeof value !== 'string' || value.includes('\0'))
    throw typeError(operation, argument, 'a path', quoted(value));
  if (value.length > longestPath)
    throw rangeError(operation, argument, `a path of at most ${longestPath} characters`, value.length);
  return value;
}

/** Checks that a value is a string, and returns it. */
export function checkText(operation: string, argument: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw typeError(operation, argument, 'a string', quoted(value));
}

const TypedArray = Object.getPrototypeOf(Int32Array) as new () => object;
const tagIn = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag)?.get as () => unknown;

/**
 * Whether a value is a typed array of one of the classes, even from another realm, such as another vm context.
 * `instanceof` would accept a proxy, whose getters throw, and reject arrays of other realms.
 */
export function isTyped<T>(value: unknown, ...classes: readonly (new () => T)[]): value is T {
  const tag = tagIn.call(value); // undefined for any other value
  return classes.some(({ name }) => name === tag);
}

/**
 * Yields the items of an iterable of the caller, and closes its iterator at an early exit. Every property is read once.
 *
 * @param expected - what the iterable should be, for the error
 * @throws TypeError `ERR_HOROBALL_TYPE` if the value is not iterable, or if its iterator is invalid
 */
export function* itemsOf<T>(
  operation: string,
  argument: string,
  expected: string,
  iterable: Iterable<T>,
): Generator<T, void, void> {
  const iterator = iteratorOf(iterable);
  const next: unknown = iterator?.next;
  if (typeof next !== 'function') throw typeError(operation, argument, expected, quoted(iterable));
  let isOpen = false;
  try {
    for (;;) {
      isOpen = false; // an iterator that fails is not closed, as in a loop
      const result: unknown = Reflect.apply(next, iterator, []);
      if (typeof result !== 'object' || result === null)
        throw typeError(operation, argument, 'an iterator whose results are objects', quoted(result));
      const { done, value } = result as IteratorResult<T, void>;
      if (done) return;
      isOpen = true;
      yield value;
    }
  } finally {
    if (isOpen) iterator?.return?.();
  }
}

/**
 * Returns the iterator of a value; undefined if it is not iterable. A detached typed array is not, nor is a proxy of a
 * typed array, a Map or a Set: the method of the class rejects it.
 */
function iteratorOf<T>(value: Iterable<T>): Partial<Iterator<T>> | null | undefined {
  if (value === null || typeof value !== 'object') return undefined;
  const method: unknown = value[Symbol.iterator];
  if (typeof method !== 'function') return undefined;
  try {
    return Reflect.apply(method, value, []) as Partial<Iterator<T>> | null | undefined;
  } catch (error) {
    if (ArrayBuffer.isView(value) || [TypedArray, Map, Set].some((Class) => value instanceof Class))
      return undefined;
    throw error; // thrown by the caller's method
  }
}

/**
 * Copies an array of exactly `count` elements; null for any other value. The length of the array is read once, because
 * a proxy may return a huge length the next time.
 */
export function listOf(value: unknown, count: number): unknown[] | null {
  if (!Array.isArray(value) || value.length !== count) return null;
  return Array.from({ length: count }, (_, i) => value[i] as unknown);
}

/**
 * Returns the length of a list; undefined if reading it throws a TypeError, as for a revoked proxy or a proxy of a typed
 * array.
 */
export function readLength(list: ArrayLike<unknown>): unknown {
  try {
    return list.length;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error; // thrown by a getter
  }
}

/** Checks that a value is an instance of a class, and returns it. */
export function instance<T>(
  operation: string,
  argument: string,
  value: unknown,
  Class: { readonly name: string; readonly prototype: T },
): T {
  const known = Class as unknown as new () => object;
  if ('BYTES_PER_ELEMENT' in Class ? isTyped(value, known) : value instanceof known) return value as T;
  throw typeError(operation, argument, `an instance of ${Class.name}`, quoted(value));
}

/** Throws unless the value is a function or undefined. */
export function checkCallback(operation: string, argument: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw typeError(operation, argument, 'a function', quoted(value));
}

/**
 * Whether a value is a Map, even from another realm. `instanceof` would also accept a proxy of a Map and an object that
 * only inherits from Map, which the methods of Map reject.
 */
export function isMap(value: unknown): value is ReadonlyMap<unknown, unknown> {
  try {
    Map.prototype.has.call(value, undefined);
  } catch {
    return false;
  }
  return typeof (value as Map<unknown, unknown>).get === 'function';
}

/** Throws unless the value is a Map, such as the state of an optimizer. */
export function checkMap(operation: string, argument: string, value: unknown): void {
  if (!isMap(value)) throw typeError(operation, argument, 'a Map', quoted(value));
}

/** Throws unless the value is an object with these methods, such as an embedder or a backbone. */
export function checkMethods(
  operation: string,
  argument: string,
  value: unknown,
  methods: readonly string[],
): void {
  const has = (method: string) => typeof (value as Record<string, unknown>)[method] === 'function';
  if (typeof value === 'object' && value !== null && methods.every(has)) return;
  throw typeError(operation, argument, `an object with the methods ${methods.join(', ')}`, quoted(value));
}

/** Checks that a value is `true` or `false`, and returns it; `fallback` if it is undefined. */
export function boolean(operation: string, argument: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw typeError(operation, argument, 'true or false', quoted(value));
}

/** Checks that a value is an integer from `least` to `most`, and returns it. */
export function integer(
  operation: string,
  argument: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  const range = most >= Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  const refuse = typeof value === 'number' ? rangeError : typeError;
  throw refuse(operation, argument, `an integer ${range}`, quoted(value));
}

/** Checks that a value is one of the names, and returns its index, which the core expects instead of the name. */
export function choice(
  operation: string,
  argument: string,
  value: unknown,
  names: readonly string[],
): number {
  const index = names.indexOf(value as string);
  if (index < 0) {
    const known = names.map((name) => `'${name}'`).join(', ');
    throw typeError(operation, argument, `one of ${known}`, quoted(value));
  }
  return index;
}

/** Returns the core's number for the numerical guards: 0 for its own, 1 for those of the published code. */
export function guards(operation: string, compat: Compat | undefined): number {
  return compat === undefined ? 0 : 1 + choice(operation, 'compat', compat, ['hypmix']);
}

/**
 * Maximum number of threads, as in native/bind/launch.h. libtorch's OpenMP ends the process if it cannot start as many
 * threads as requested.
 */
export const mostThreads = 1024;

/** Range of the loss scale of float16 training. Both the scale and its inverse must be finite, nonzero float32 numbers. */
export const lossScales: Readonly<Record<'least' | 'most', number> & { expected: string }> = {
  least: 2 ** -126,
  most: 2 ** 127,
  expected: 'a number from 2^-126 to 2^127',
};

/** Returns the core's thread count: 0 means all CPUs. */
export function threadCount(operation: string, threads: number | undefined): number {
  return threads === undefined ? 0 : integer(operation, 'threads', threads, 1, mostThreads);
}

/** Returns the core's number for a device: -2 for auto, -1 for the CPU, N for `cuda:N`. */
export function deviceIndex(operation: string, device: Device | undefined): number {
  if (device === undefined || device === 'cpu') return -1;
  if (device === 'auto') return -2;
  if (device === 'cuda') return 0;
  const match = typeof device === 'string' ? /^cuda:(\d{1,3})$/.exec(device) : null;
  if (match === null) {
    throw typeError(operation, 'device', "'cpu', 'cuda', 'cuda:N' or 'auto'", quoted(device));
  }
  return Number(match[1]);
}
