import test from 'ava';
import { type DenseMatrix, dist0, matrix, pairwiseDistance } from '../lib/index.ts';
import { failure, half } from './support.ts';

const nested = [
  [0.5, 0.25],
  [0, -1],
  [0.125, 1],
];

test('toArray returns the nested array that a matrix was made from', (t) => {
  t.deepEqual(matrix(nested).toArray(), nested);
  t.deepEqual(matrix(Float32Array.from(nested.flat()), 3, 2).toArray(), nested);
  t.deepEqual(matrix(new Float64Array(0), 0, 2).toArray(), []);
});

test('row returns a view of the matrix', (t) => {
  const made = matrix(nested);
  made.row(2)[0] = 7;
  t.deepEqual(made.row(2), Float64Array.of(7, 1));
  t.is(made.data[4], 7);
});

test('row and toArray reject transferred memory', async (t) => {
  const made = matrix(nested);
  structuredClone(made.data, { transfer: [made.data.buffer as ArrayBuffer] });
  for (const call of [() => made.row(0), () => made.toArray()])
    t.is((await failure(call)).code, 'ERR_HOROBALL_DETACHED');
});

test('results have the methods, also those in memory of the caller', async (t) => {
  const points = matrix([
    [0, 0],
    [0.5, 0],
  ]);
  const distances: DenseMatrix<Float64Array> = await pairwiseDistance(points, undefined, { c: 1 });
  t.deepEqual(distances.toArray().flat(), [...distances.data]);
  const out = new Float64Array(2);
  t.is(dist0.sync(points, { c: 1, out }).row(1)[0], out[1]);
});

test('converts half precision to float32', (t) => {
  const made: DenseMatrix<Float32Array> = matrix(half([1, 2, 3, 4]), 2, 2);
  t.deepEqual(made.data, Float32Array.of(1, 2, 3, 4));
  t.throws(() => matrix(half([1, 2, 3]), 2, 2), { code: 'ERR_HOROBALL_SHAPE' });
});
