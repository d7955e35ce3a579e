import test from 'ava';
import { duration, growths, growthTable } from '../../bench/growth.ts';
import { type Labels, type Results, row } from '../../bench/results.ts';
import { statedError } from '../tolerances.ts';

const labels: Labels = {
  op: 'pairwiseDistance',
  shape: '',
  n: 0,
  m: 0,
  dim: 128,
  views: 0,
  type: 'float32',
  geometry: 'poincare',
  heads: '',
  guards: 'clean',
  pass: 'forward',
};

/** Rows whose time is threads * n^2 / 1000 ms. */
const results: Results = {
  about: {},
  rows: [100, 200, 1000].flatMap((n) =>
    [2, 64].map((threads) =>
      row({
        ...labels,
        suite: 'scaling',
        side: 'horoball',
        status: 'measured',
        shape: `scaling, N = ${n}`,
        n,
        m: n,
        threads,
        ms: (threads * n * n) / 1000,
      }),
    ),
  ),
};

test('fits the exponent of a series, measured with the fewest threads', (t) => {
  const [found, ...others] = growths(results);
  t.deepEqual(others, []);
  t.true(Math.abs(found!.exponent - 2) < statedError.fit);
  t.deepEqual([found!.over, found!.largest, found!.ms], ['N', 1000, 2000]);
});

test('the table extrapolates the fit', (t) => {
  const line = growthTable(results).split('\n').at(-1)!;
  // 2 s (10^6 / 10^3)^2 = 2e6 s, and a million times as long for 10^9.
  t.is(line, '| `pairwiseDistance`, N x N | N^2.00 | 2 s at N = 1,000 |  | 23 days | 63,000 years |');
});

test('durations have two digits in the largest unit that fits', (t) => {
  const seconds = [2e-4, 0.0123, 1, 75, 7300, 2e5, 4e7, 3.2e15];
  t.deepEqual(seconds.map(duration), [
    '0.2 ms',
    '12 ms',
    '1 s',
    '1.3 min',
    '2 h',
    '2.3 days',
    '1.3 years',
    '1 x 10^8 years',
  ]);
});
