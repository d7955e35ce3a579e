/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey's small fast counter generator), keyed by a hash.
 *
 * Why not a dependency: what is needed is not one long stream but many short ones, each named by a key such as
 * (seed, epoch, slot), so that a number does not depend on which worker asks first. sfc32 is ten lines, passes
 * PractRand and gives the same numbers on every engine, since it uses 32-bit integer arithmetic only.
 */

/** A stream: each call gives a float in [0, 1) of 32 random bits. */
export type Random = () => number;

/** The generator that `key` names. Equal keys give equal streams; the parts are taken as 32-bit integers. */
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

/** The 32-bit finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** A float in [low, high). */
export function uniform(next: Random, low: number, high: number): number {
  return low + (high - low) * next();
}

/** An integer in [0, n). */
export function integer(next: Random, n: number): number {
  return Math.floor(next() * n);
}

/** Shuffles in place (Fisher and Yates) and returns the same array. */
export function shuffle<T extends { [index: number]: unknown; readonly length: number }>(
  next: Random,
  items: T,
): T {
  const a = items as { [index: number]: unknown };
  for (let i = items.length - 1; i > 0; i--) {
    const j = integer(next, i + 1);
    const held = a[i];
    a[i] = a[j];
    a[j] = held;
  }
  return items;
}
