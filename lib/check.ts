import { quoted, rangeError, typeError } from './errors.ts';

/** Where a call runs. `auto`: the first CUDA device if there is one and it has the operation, else the CPU. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

/** `hypmix`: the guards of the published code, so that a published run can be repeated. */
export type Compat = 'hypmix';

/** The options of a call: an object, or nothing where none is needed. */
export function checkOptions<O extends object>(
  operation: string,
  options: O | undefined,
  argument = 'options',
): O {
  if (options === undefined) return {} as O;
  if (options === null || typeof options !== 'object')
    throw typeError(operation, argument, 'an object', quoted(options));
  return options;
}

/** c > 0; the sectional curvature is -c. There is no default: a silent 1 has misled too many. */
export function curvature(operation: string, c: unknown): number {
  return positive(operation, 'c', c, ' (the curvature is -c)');
}

/** A finite number above 0. */
export function positive(operation: string, argument: string, value: unknown, meaning = ''): number {
  if (typeof value !== 'number')
    throw typeError(operation, argument, `a number > 0${meaning}`, quoted(value));
  if (!(value > 0 && value < Infinity)) {
    throw rangeError(operation, argument, `a finite number > 0${meaning}`, value);
  }
  return value;
}

/** A finite number of 0 or more. */
export function atLeastZero(operation: string, argument: string, value: unknown): number {
  if (typeof value !== 'number') throw typeError(operation, argument, 'a number from 0', quoted(value));
  if (!(value >= 0 && value < Infinity))
    throw rangeError(operation, argument, 'a finite number from 0', value);
  return value;
}

/** A finite number. */
export function finite(operation: string, argument: string, value: unknown): number {
  if (typeof value !== 'number') throw typeError(operation, argument, 'a number', quoted(value));
  if (!Number.isFinite(value)) throw rangeError(operation, argument, 'a finite number', value);
  return value;
}

/** `true` or `false`; `standard` where it is not given. */
export function yesNo(operation: string, argument: string, value: unknown, standard: boolean): boolean {
  if (value === undefined) return standard;
  if (typeof value === 'boolean') return value;
  throw typeError(operation, argument, 'true or false', quoted(value));
}

/** An integer from `least` to `most`. */
export function integer(
  operation: string,
  argument: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  const range = most >= Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
  const refuse = typeof value === 'number' ? rangeError : typeError;
  throw refuse(operation, argument, `an integer ${range}`, quoted(value));
}

/** One of a list of names; gives its place, which is the core's number for it. */
export function choice(
  operation: string,
  argument: string,
  value: unknown,
  names: readonly string[],
): number {
  const place = names.indexOf(value as string);
  if (place < 0) {
    const known = names.map((name) => `'${name}'`).join(', ');
    throw typeError(operation, argument, `one of ${known}`, quoted(value));
  }
  return place;
}

/** The core's number of the guards. */
export function guards(operation: string, compat: Compat | undefined): number {
  return compat === undefined ? 0 : 1 + choice(operation, 'compat', compat, ['hypmix']);
}

/** The core's number of threads: 0 for as many as the machine has. */
export function threadCount(operation: string, threads: number | undefined): number {
  return threads === undefined ? 0 : integer(operation, 'threads', threads, 1, 1024);
}

/** The core's number of a device: -2 auto, -1 the CPU, n the n-th CUDA device. */
export function deviceIndex(operation: string, device: Device | undefined): number {
  if (device === undefined || device === 'cpu') return -1;
  if (device === 'auto') return -2;
  if (device === 'cuda') return 0;
  const match = /^cuda:(\d{1,3})$/.exec(String(device));
  if (match === null) {
    throw typeError(operation, 'device', "'cpu', 'cuda', 'cuda:N' or 'auto'", quoted(device));
  }
  return Number(match[1]);
}
