import { type Coded, coded } from '../errors.ts';

/**
 * Maximum number of values in a JSON file of horoball: far more than the charts of a report need, and about 200 MB in
 * memory.
 */
const maxOwnValues = 2 ** 20;
/** Maximum number of values in the options of a run or network, which have about a hundred. */
export const maxOptionValues = 10_000;

/**
 * Parses the JSON of a file that horoball wrote; an editor may have added a byte-order mark.
 * @throws `ERR_HOROBALL_FORMAT` naming the file
 */
export function parsedJson(text: string, file: string, maxValues: number = maxOwnValues): unknown {
  return boundedJson(text.replace(/^\ufeff/, ''), maxValues, (why) => damaged(file, `it ${why}`));
}

const maxDepth = 64;

/**
 * Parses JSON that may be malicious, after a scan: `JSON.parse` alone would need minutes and gigabytes for 90 MB of
 * `[`. Rejects repeated keys.
 *
 * @param maxValues - maximum number of commas, colons and opening brackets outside of strings
 * @param fail - creates the error from the problem, such as "is not JSON"
 */
export function boundedJson(
  source: Buffer | string,
  maxValues: number,
  fail: (why: string) => Coded,
): unknown {
  const keys = scan(typeof source === 'string' ? Buffer.from(source) : source, maxValues, fail);
  let value: unknown;
  try {
    value = JSON.parse(source.toString());
  } catch (cause) {
    throw Object.assign(fail('is not JSON'), { cause });
  }
  // Parsers differ in which value of a repeated key they keep.
  if (keysIn(value) < keys) throw fail('has a repeated key');
  return value;
}

/**
 * Returns the number of keys of all objects in a value of at most {@link maxDepth} levels. For an object with many keys,
 * `Object.values` and `Object.entries` take several times as long as a loop over the keys.
 */
function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const each of value) count += keysIn(each);
  else for (const key in value) count += 1 + keysIn((value as Record<string, unknown>)[key]);
  return count;
}

/**
 * Checks the depth and the number of values in one scan. A regular expression would take quadratic time on unterminated
 * strings, or overflow the stack.
 * @returns the number of keys
 */
export function scan(bytes: Buffer, maxValues: number, fail: (why: string) => Coded): number {
  const [quote, backslash] = [0x22, 0x5c];
  let depth = 0;
  let [values, keys] = [0, 0];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) {
      at++;
      while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) throw fail(`is nested more than ${maxDepth} levels deep`);
      values++;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    else if (byte === 0x2c) values++;
    else if (byte === 0x3a) {
      values++;
      keys++;
    }
    if (values > maxValues) throw fail(`has more than ${maxValues} values`);
  }
  return keys;
}

/**
 * Returns the number of lists and objects in JSON; null if they are nested more than {@link maxDepth} levels deep. The
 * limit exists because deep nesting overflows the stack of a recursive function, such as `JSON.stringify`.
 */
export function containersIn(json: string): number | null {
  const [quote, backslash] = [0x22, 0x5c];
  let [depth, count] = [0, 0];
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) {
      at++;
      while (at < json.length && json.charCodeAt(at) !== quote)
        at += json.charCodeAt(at) === backslash ? 2 : 1;
    } else if (code === 0x5b || code === 0x7b) {
      count++;
      if (++depth > maxDepth) return null;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return count;
}

/** Creates the error for a horoball file with unexpected content. */
export function damaged(file: string, why: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `${file} cannot be used: ${why}`);
}
