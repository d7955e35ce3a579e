// The gradients of hyperbolicSoftmax are computed for a chunk of rows at a time (native/cpu/row/planes.h).
import test from 'ava';
import { hyperbolicSoftmax, type Matrix, matrix } from '../../lib/index.ts';
import { close, cloud } from '../support.ts';
import { referenceError } from '../tolerances.ts';

const [rows, classes, cols] = [301, 130, 11]; // more pairs than a chunk has; no multiples of a group or a vector
const [x, p] = [cloud(Float64Array, rows, cols, 0.8), cloud(Float64Array, classes, cols, 0.8, 2)];
const [a, weights] = [cloud(Float64Array, classes, cols, 3, 3), cloud(Float64Array, rows, classes, 1, 4)];

function part(m: Matrix, begin: number, end: number): Matrix {
  return matrix(m.data.slice(begin * m.cols, end * m.cols), end - begin, m.cols);
}

function gradients(begin: number, end: number): { byInput: Float64Array[]; byC: number } {
  const gradC = new Float64Array(1);
  const found = hyperbolicSoftmax.vjp.sync(part(x, begin, end), p, a, part(weights, begin, end), {
    c: 0.7,
    gradC,
  });
  return { byInput: found.map(({ data }) => data as Float64Array), byC: gradC[0]! };
}

test('the gradients of many rows are those of its parts: joined for the rows, added for the classes', (t) => {
  const whole = gradients(0, rows);
  const bounds = [0, 1, 6, 100, 203, rows];
  const parts = bounds.slice(1).map((end, i) => gradients(bounds[i]!, end));
  t.deepEqual(whole.byInput[0], Float64Array.from(parts.flatMap(({ byInput }) => [...byInput[0]!])));
  for (const which of [1, 2]) {
    const sum = whole.byInput[which]!.map((_, at) =>
      parts.reduce((total, { byInput }) => total + byInput[which]![at]!, 0),
    );
    close(t, whole.byInput[which]!, sum, referenceError.sums, `input ${which}`);
  }
  const byC = parts.reduce((total, each) => total + each.byC, 0);
  close(t, [whole.byC], [byC], referenceError.sums, 'c');
});

test('a group of rows that is not full does not read or write beyond it', (t) => {
  const all = hyperbolicSoftmax.sync(x, p, a, { c: 0.7 }).data;
  for (const count of [1, 2, 3, 5]) {
    const few = hyperbolicSoftmax.sync(part(x, 0, count), p, a, { c: 0.7 }).data;
    t.deepEqual(few, all.slice(0, count * classes));
  }
});
