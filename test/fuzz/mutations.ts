// Mutations of bytes and of JSON, which fast-check draws and shrinks.
import fc from 'fast-check';

export type Mutation = (input: Buffer) => Buffer;

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

const place = fc.nat(2 ** 30);

/** One mutation of the bytes; `at` is taken modulo the length. */
const byteChange = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: place, value: fc.nat(255) }),
  fc.record({ kind: fc.constant('flip' as const), at: place, value: fc.nat(7) }),
  fc.record({ kind: fc.constant('word' as const), at: place, value: fc.constantFrom(...extremes) }),
  fc.record({ kind: fc.constant('long' as const), at: place, value: fc.nat(63) }),
  fc.record({ kind: fc.constant('cut' as const), at: place, value: fc.constant(0) }),
  fc.record({ kind: fc.constant('repeat' as const), at: place, value: fc.nat(2000) }),
  fc.record({ kind: fc.constant('remove' as const), at: place, value: fc.nat(15) }),
);

function changeBytes(
  bytes: Buffer,
  { kind, at, value }: { kind: string; at: number; value: number },
): Buffer {
  if (bytes.length === 0) return bytes;
  const i = at % bytes.length;
  const part = bytes.subarray(i, i + 1 + (value & 63));
  if (kind === 'cut') return bytes.subarray(0, i);
  if (kind === 'remove') return Buffer.concat([bytes.subarray(0, i), bytes.subarray(i + 1 + value)]);
  if (kind === 'repeat')
    return Buffer.concat([
      bytes.subarray(0, i),
      ...Array<Buffer>(1 + (value >> 6)).fill(part),
      bytes.subarray(i),
    ]);
  const out = Buffer.from(bytes);
  if (kind === 'set') out[i] = value;
  if (kind === 'flip') out[i]! ^= 1 << value;
  if (kind === 'word' && i + 4 <= out.length) out.writeUInt32LE(value, i);
  if (kind === 'long' && i + 8 <= out.length) out.writeBigUInt64LE(2n ** BigInt(value), i);
  return out;
}

/** Up to four changes of bytes. */
export const byteMutations: fc.Arbitrary<Mutation> = fc
  .array(byteChange, { minLength: 1, maxLength: 4 })
  .map((changes) => (input) => changes.reduce(changeBytes, input));

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const strange: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    '',
    'text',
    '__proto__',
    -1,
    0,
    0.5,
    1e308,
    -1e308,
    5e-324,
    2 ** 31,
    2 ** 53,
    2 ** 60,
  ),
  fc.constantFrom([], {}, [[]], { length: 5 }, Array<number>(300).fill(1), 'x'.repeat(3000), [null]),
  fc.jsonValue({ maxDepth: 2 }),
);

const jsonChange = fc.record({
  kind: fc.constantFrom('replace', 'replace', 'remove', 'rename', 'repeat', 'swap'),
  at: place,
  to: place,
  value: strange,
});

/** Returns the container and the key of every value nested in a JSON value. */
function placesOf(
  value: Json,
  found: [Record<string, Json>, string][] = [],
): [Record<string, Json>, string][] {
  if (value === null || typeof value !== 'object') return found;
  const holder = value as Record<string, Json>;
  for (const key of Object.keys(holder)) {
    found.push([holder, key]);
    placesOf(holder[key]!, found);
  }
  return found;
}

function changeJson(
  root: { root: Json },
  change: { kind: string; at: number; to: number; value: unknown },
): void {
  const places = placesOf(root as unknown as Json);
  const [holder, key] = places[change.at % places.length]!;
  const [other, name] = places[change.to % places.length]!;
  const value = change.value as Json;
  if (change.kind === 'replace') holder[key] = value;
  else if (change.kind === 'remove' && key !== 'root') delete holder[key];
  else if (change.kind === 'rename') holder[`${key}x`] = holder[key]!;
  else if (change.kind === 'repeat') holder[key] = [holder[key]!, structuredClone(holder[key]!)];
  else holder[key] = structuredClone(other[name]!);
}

/** Up to three changes of values in JSON; throws if the input is not JSON. */
export const jsonMutations: fc.Arbitrary<Mutation> = fc
  .array(jsonChange, { minLength: 1, maxLength: 3 })
  .map((changes) => (input) => {
    const root = { root: JSON.parse(input.toString()) as Json };
    for (const change of changes) changeJson(root, change);
    return Buffer.from(JSON.stringify(root.root) ?? '');
  });
