// Calls the core's binder (native/node/bind.h) directly, without the checks of lib/, at the limits of the values that it
// accepts.
import test from 'ava';
import type { Outcome } from '../../lib/call/binding.ts';
import {
  type ContrastCall,
  contrast,
  type EncodeCall,
  encode,
  type PairLossCall,
  type PairwiseCall,
  pairLoss,
  pairwise,
} from '../../lib/call/binding-calls.ts';
import { contrastiveLosses, geometries, metrics } from '../../lib/card-names.ts';
import type { Reals } from '../../lib/index.ts';
import { core } from '../../lib/native.ts';

const [rows, cols] = [4, 3];
const how = { device: -1, threads: 1, job: 0 };

const points = (data: unknown = new Float64Array(rows * cols).fill(0.1), columns = cols) => ({
  data,
  rows,
  cols: columns,
});

/** Calls `pairwise` with valid arguments, of which `changes` replaces some. */
function distances(changes: Readonly<Record<string, unknown>>): Float64Array {
  const out = new Float64Array(rows * rows);
  const given = {
    metric: 0,
    guards: 0,
    c: 1,
    x: points(),
    y: points(),
    out: points(out, rows),
    ...how,
    ...changes,
  };
  pairwise(core(), given as PairwiseCall);
  return out;
}

function loss(
  geometry: unknown,
  tied: unknown,
  views: unknown,
  clip: unknown = 2.3,
  order?: readonly number[],
  job = 0,
): unknown {
  const e = new Float64Array(rows * cols).fill(0.5);
  const numbers = { tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clip };
  return contrast(core(), {
    ...{ geometry, guards: 0, tied, mean: false, views, ...numbers },
    ...{ euclidean: points(e), hyperbolic: points(tied ? null : e.slice()) },
    order: order === undefined ? null : Int32Array.from(order),
    ...{ loss: new Float64Array(1), gradEuclidean: points(null), gradHyperbolic: points(null) },
    ...{ gradParams: null, stats: null, ...how, job },
  } as ContrastCall);
}

/** Calls `pairLoss` with valid arguments, of which `changes` replaces some. */
function pairs(changes: Readonly<Record<string, unknown>>): unknown {
  const absent = { data: null, rows: 0, cols: 0 };
  return pairLoss(core(), {
    ...{
      variant: 0,
      geometry: 0,
      guards: 0,
      tied: true,
      reduction: 0,
      alpha: 2,
      beta: 50,
      base: 0.5,
      margin: 0.1,
    },
    ...{ tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clip: 2.3, weights: null, losses: null },
    ...{ euclidean: points(), hyperbolic: points(null), refEuclidean: absent, refHyperbolic: absent },
    ...{ columns: 1, labels: Int32Array.of(0, 0, 7, 7), refLabels: null },
    ...{ positiveCount: 0, starts: null, positives: null, loss: new Float64Array(1), gradParams: null },
    ...{ gradEuclidean: points(null), gradHyperbolic: points(null), gradRefEuclidean: absent },
    ...{ gradRefHyperbolic: absent, ...how, ...changes },
  } as PairLossCall);
}

/** Encodes rows into a search index with a single list, which takes the slots from `starts[0]` to `starts[1]`. */
function encoded(starts: readonly number[], job: number): Outcome {
  const slots = 16;
  return encode(core(), {
    ...{ metric: 0, guards: 0, c: 1, rows: points(), slots, lists: new Int32Array(rows) },
    ...{ centers: { data: new Float64Array(cols), rows: 1, cols }, starts: Int32Array.from(starts) },
    ...{ ids: new Int32Array(slots), codes: new Uint8Array(4 * slots), facts: new Float32Array(4 * slots) },
    ...{ panels: new Float32Array(slots * cols), bounds: new Float32Array(4), ...how, job },
  } as EncodeCall);
}

const refused = { code: 'ERR_HOROBALL_TYPE' };

test('rejects card and guard indices beyond the last one', (t) => {
  t.notThrows(() => distances({ metric: metrics.length - 1 }));
  t.notThrows(() => distances({ guards: 1 }));
  t.notThrows(() => loss(geometries.length - 1, false, 2));
  for (const index of [-1, metrics.length])
    t.throws(() => distances({ metric: index }), refused, `metric ${index}`);
  for (const index of [-1, 2]) t.throws(() => distances({ guards: index }), refused, `guards ${index}`);
  for (const index of [-1, geometries.length])
    t.throws(() => loss(index, false, 2), refused, `geometry ${index}`);
});

test('rejects lists that would make a pair loss read out of bounds', (t) => {
  const shape = { code: 'ERR_HOROBALL_SHAPE' };
  const refs = { refEuclidean: points(), refHyperbolic: points(null) };
  t.notThrows(() => pairs({ ...refs, refLabels: Int32Array.of(0, 1, 2, 7) }));
  t.throws(() => pairs({}), shape, 'a class beyond the number of rows');
  t.throws(() => pairs({ labels: Int32Array.of(0, 0, -1, 1) }), shape);
  t.throws(() => pairs({ labels: null }), shape);
  t.throws(() => pairs({ ...refs }), shape, 'references without labels');
  t.throws(() => pairs({ ...refs, refEuclidean: points(null), refLabels: Int32Array.of(0, 1, 2, 3) }), shape);
  t.throws(() => pairs({ labels: Int32Array.of(0, 0, 1) }), refused, 'a short list');
  t.throws(() => pairs({ labels: Int32Array.of(0, 0, 1, 1), gradHyperbolic: points() }), shape);
  const lists = (starts: number[], positives: number[]) => ({
    ...{ columns: 0, labels: null, positiveCount: positives.length },
    ...{ starts: Int32Array.from(starts), positives: Int32Array.from(positives) },
  });
  t.notThrows(() => pairs(lists([0, 1, 2, 2, 2], [1, 0])));
  for (const wrong of [
    lists([0, 2, 1, 2, 2], [1, 0]),
    lists([1, 1, 2, 2, 2], [1, 0]),
    lists([0, 1, 2, 2, 3], [1, 0]),
    lists([0, 1, 2, 2, 2], [1, 4]),
    lists([0, 1, 2, 2, 2], [-1, 0]),
    lists([0, 2, 2, 2, 2], [1, 1]),
    lists([0, -1, 2, 2, 2], [1, 0]),
  ])
    t.throws(() => pairs(wrong), shape, `${wrong.starts} ${wrong.positives}`);
  for (const variant of [-1, contrastiveLosses.length])
    t.throws(() => pairs({ variant }), refused, `variant ${variant}`);
  t.throws(() => pairs({ reduction: 3 }), refused);
});

test('rejects lists that would make a job read out of bounds, with the same error as in a synchronous call', async (t) => {
  const error = { ...refused, instanceOf: TypeError };
  t.notThrows(() => encoded([0, 16], 0));
  await t.notThrowsAsync(async () => encoded([0, 16], 1));
  for (const starts of [
    [16, 16],
    [0, 32],
    [0, -16],
  ]) {
    t.throws(() => encoded(starts, 0), error, `${starts}`);
    await t.throwsAsync(async () => encoded(starts, 1), error, `${starts}`);
  }
  const ordered = (order: readonly number[], job: number) => loss(0, false, 2, 2.3, order, job);
  await t.notThrowsAsync(async () => ordered([3, 1, 2, 0], 1));
  for (const order of [
    [0, 1, 2, 4],
    [0, 1, 2, -1],
  ]) {
    t.throws(() => ordered(order, 0), error, `${order}`);
    await t.throwsAsync(async () => ordered(order, 1), error, `${order}`);
  }
});

test('rejects fractional integers and values outside the range of their type', (t) => {
  for (const value of [0.5, Number.NaN, Infinity, '0', null, undefined, 2 ** 31, -(2 ** 31) - 1])
    t.throws(() => distances({ metric: value }), refused, `metric ${String(value)}`);
  for (const value of [2.5, 2 ** 53, -2]) t.throws(() => loss(0, false, value), refused, `views ${value}`);
  for (const value of [-1, 0.5, 1025, 2 ** 32])
    t.throws(() => distances({ threads: value }), refused, `threads ${value}`);
  for (const value of [-1, 0.5, 2 ** 32]) t.throws(() => distances({ job: value }), refused, `job ${value}`);
  // 2 ** 32 wraps to device 0 and 2 ** 32 - 1 to the CPU if the range is not checked.
  for (const value of [-0.5, 2 ** 32, 2 ** 32 - 1])
    t.throws(() => distances({ device: value }), refused, `device ${value}`);
  t.notThrows(() => distances({ threads: 1024 }));
});

test('does not convert other types to numbers or booleans', (t) => {
  for (const value of ['1', null, undefined, {}, true])
    t.throws(() => distances({ c: value }), refused, `c ${value}`);
  for (const value of [1, 'true', null, undefined])
    t.throws(() => loss(0, value, 2), refused, `tied ${value}`);
  t.throws(() => loss(0, false, 2, '2.3'), refused);
});

test('requires one element type for all matrices, and arrays of exactly the length of their shape', (t) => {
  const narrow = new Float32Array(rows * cols).fill(0.1);
  t.throws(() => distances({ y: points(narrow) }), refused, 'y in float32');
  t.throws(() => distances({ x: points(narrow), y: points(narrow) }), refused, 'a result in float64');
  for (const other of [new Int32Array(rows * cols), new Uint8Array(rows * cols), Array.from(narrow), null])
    t.throws(() => distances({ x: points(other) }), refused, String(other));
  for (const length of [0, rows * cols - 1, rows * cols + 1]) {
    const odd: Reals = new Float64Array(length);
    for (const place of ['x', 'y'])
      t.throws(() => distances({ [place]: points(odd) }), refused, `${length} at ${place}`);
  }
  for (const length of [rows * rows - 1, rows * rows + 1])
    t.throws(
      () => distances({ out: points(new Float64Array(length), rows) }),
      refused,
      `result of ${length}`,
    );
  t.throws(() => distances({ y: points(undefined, cols + 1) }), refused, 'columns that differ');
  t.true(distances({}).every((distance) => distance === 0));
});
