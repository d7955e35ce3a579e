// The binder of the core (native/node/bind.h) at the limits of what it accepts, called without the checks of lib/.
import test from 'ava';
import { geometries, metrics } from '../lib/card-names.ts';
import type { Reals } from '../lib/index.ts';
import { core } from '../lib/native.ts';

const [rows, cols] = [4, 3];

/** A call of `pairwise` with some of its arguments replaced, by place. */
function pairwise(changes: Readonly<Record<number, unknown>>): Float64Array {
  const out = new Float64Array(rows * rows);
  const x = new Float64Array(rows * cols).fill(0.1);
  const given: unknown[] = [0, 0, 1, x, rows, cols, x.slice(), rows, cols, out, rows, rows, -1, 1, 0];
  for (const [place, value] of Object.entries(changes)) given[Number(place)] = value;
  (core().pairwise as (...given: unknown[]) => unknown)(...given);
  return out;
}

/** A call of `contrast` with a geometry, flags and a number of views. */
function contrast(geometry: unknown, tied: unknown, views: unknown, clipped: unknown = 2.3): unknown {
  const e = new Float64Array(rows * cols).fill(0.5);
  const call = core().contrast as (...given: unknown[]) => unknown;
  // biome-ignore format: one group per line
  return call(
    geometry, 0, tied, false, views, 0.1, 0.2, 0.5, 0.1, clipped,
    e, rows, cols, tied ? null : e.slice(), rows, cols, null,
    new Float64Array(1), null, rows, cols, null, rows, cols, null, null,
    -1, 1, 0,
  );
}

const refused = { code: 'ERR_HOROBALL_TYPE' };

test('an index of a card or of guards is at most the last one', (t) => {
  t.notThrows(() => pairwise({ 0: metrics.length - 1 }));
  t.notThrows(() => pairwise({ 1: 1 }));
  t.notThrows(() => contrast(geometries.length - 1, false, 2));
  for (const index of [-1, metrics.length])
    t.throws(() => pairwise({ 0: index }), refused, `metric ${index}`);
  for (const index of [-1, 2]) t.throws(() => pairwise({ 1: index }), refused, `guards ${index}`);
  for (const index of [-1, geometries.length])
    t.throws(() => contrast(index, false, 2), refused, `geometry ${index}`);
});

test('integers are whole, and in the range of their type', (t) => {
  for (const value of [0.5, Number.NaN, Infinity, '0', null, undefined, 2 ** 31, -(2 ** 31) - 1])
    t.throws(() => pairwise({ 0: value }), refused, `metric ${String(value)}`);
  for (const value of [2.5, 2 ** 53, -2])
    t.throws(() => contrast(0, false, value), refused, `views ${value}`);
  for (const value of [-1, 0.5, 1025, 2 ** 32])
    t.throws(() => pairwise({ 13: value }), refused, `threads ${value}`);
  for (const value of [-1, 0.5, 2 ** 32]) t.throws(() => pairwise({ 14: value }), refused, `job ${value}`);
  // 2 ** 32 wraps to device 0 and 2 ** 32 - 1 to the CPU if the range is not checked.
  for (const value of [-0.5, 2 ** 32, 2 ** 32 - 1])
    t.throws(() => pairwise({ 12: value }), refused, `device ${value}`);
  t.notThrows(() => pairwise({ 13: 1024 }));
});

test('numbers and booleans are not converted from other types', (t) => {
  for (const value of ['1', null, undefined, {}, true])
    t.throws(() => pairwise({ 2: value }), refused, `c ${value}`);
  for (const value of [1, 'true', null, undefined])
    t.throws(() => contrast(0, value, 2), refused, `tied ${value}`);
  t.throws(() => contrast(0, false, 2, '2.3'), refused);
});

test('all matrices of a call have one element type, and arrays exactly the length of their shape', (t) => {
  const narrow = new Float32Array(rows * cols).fill(0.1);
  t.throws(() => pairwise({ 6: narrow }), refused, 'y in float32');
  t.throws(() => pairwise({ 3: narrow, 6: narrow }), refused, 'a result in float64');
  for (const other of [new Int32Array(rows * cols), new Uint8Array(rows * cols), Array.from(narrow), null])
    t.throws(() => pairwise({ 3: other }), refused, String(other));
  for (const length of [0, rows * cols - 1, rows * cols + 1]) {
    const odd: Reals = new Float64Array(length);
    for (const place of [3, 6]) t.throws(() => pairwise({ [place]: odd }), refused, `${length} at ${place}`);
  }
  for (const length of [rows * rows - 1, rows * rows + 1])
    t.throws(() => pairwise({ 9: new Float64Array(length) }), refused, `result of ${length}`);
  t.throws(() => pairwise({ 8: cols + 1 }), refused, 'columns that differ');
  t.true(pairwise({}).every((distance) => distance === 0));
});
