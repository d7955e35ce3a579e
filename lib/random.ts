/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey's small fast counter generator), keyed by a hash.
 *
 * Each stream is identified by a key such as (seed, epoch, slot), so that numbers do not depend on which worker draws
 * first. sfc32 is ten lines, passes PractRand, and produces the same numbers on every engine because it uses only
 * 32-bit integer arithmetic.
 */

/** A stream: each call returns a float in [0, 1) with 32 random bits. */
export type Random = () => number;

/** Returns the generator for a key. Equal keys give equal streams; the parts are converted to 32-bit integers. */
export function random(...key: readonly number[]): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  for (const part of key) {
    a = mix(a ^ part);
    b = mix((b + a) | 0);
    c = mix(c ^ (b >>> 7));
  }
  let counter = 1;
  const next = (): number => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Applies the 32-bit finalizer of MurmurHash3: every input bit affects every output bit. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Returns a float in [low, high). */
export function uniform(next: Random, low: number, high: number): number {
  return low + (high - low) * next();
}

/** Returns an integer in [0, n). */
export function integer(next: Random, n: number): number {
  return Math.floor(next() * n);
}

/**
 * Shuffles in place (Fisher-Yates) and returns the same array. A long array can be shuffled in several calls: each handles
 * the indices from `end - 1` down to `begin`, which is the `end` of the next call.
 */
export function shuffle<T extends { [index: number]: unknown; readonly length: number }>(
  next: Random,
  items: T,
  end: number = items.length,
  begin: number = 0,
): T {
  const a = items as { [index: number]: unknown };
  for (let i = end - 1; i >= Math.max(begin, 1); i--) {
    const j = integer(next, i + 1);
    const held = a[i];
    a[i] = a[j];
    a[j] = held;
  }
  return items;
}
