// Tests distances on the hyperboloid, including those of points whose time coordinates nearly cancel.
import test from 'ava';
import { matrix, pairwiseDistance, poincareToLorentz } from '../lib/index.ts';
import { limitsOf, pairOfRows, wide } from './metric-cases.ts';
import { table } from './oracle.ts';
import { close, cloud, eachClose } from './support.ts';

test('lorentz, float32: accurate even if time coordinates nearly cancel', (t) => {
  const c = 0.8;
  for (const dim of [2, 17, 64, 384, 1000]) {
    const lifted = (seed: number) => poincareToLorentz.sync(cloud(Float32Array, 120, dim, 1.05, seed), { c });
    const [x, y] = [lifted(1), lifted(2)];
    const want = pairwiseDistance.sync(wide(x), wide(y), { c, metric: 'lorentz' }).data;
    const got = pairwiseDistance.sync(x, y, { c, metric: 'lorentz' }).data;
    eachClose(t, got, want, limitsOf('lorentz', Float32Array).value, `${dim} dimensions`);
  }
});

test('lorentz, float32: accurate for near and far pairs with many columns, near the apex and far from it', (t) => {
  const c = 1;
  for (const cols of [64, 384, 1500]) {
    for (const radius of [0.1, 0.5, 0.9]) {
      for (const part of [0.02, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]) {
        for (let seed = 0; seed < 4; ++seed) {
          const x = pairOfRows(cols, part, seed);
          const size = radius / Math.max(...table(x.data, cols).map((row) => Math.hypot(...row)));
          const rows = poincareToLorentz.sync(
            matrix(
              x.data.map((v) => v * size),
              2,
              cols,
            ),
            { c },
          );
          const [, found] = pairwiseDistance.sync(rows, undefined, { metric: 'lorentz', c }).data;
          const [, truth] = pairwiseDistance.sync(wide(rows), undefined, { metric: 'lorentz', c }).data;
          t.true(
            Math.abs(found! / truth! - 1) < limitsOf('lorentz', Float32Array).value,
            `${cols} columns, ${radius}, ${part}: ${found} for ${truth}`,
          );
        }
      }
    }
  }
});

test('lorentz: near pairs far from the apex are accurate to the last digits', (t) => {
  // Differences are multiples of 2^-40, so that their squares are exact.
  const [unit, base] = [2 ** -40, [1000, 999, 44.75]];
  for (const [time, along, across] of [
    [50_000_000, 50_000_001, 0],
    [60_000_000, 60_000_000, 7777],
    [30_000_003, 29_999_999, 20_000],
  ] as const) {
    const y = [time, along, across].map((steps, k) => base[k]! + steps * unit);
    const s = Number(BigInt(along) ** 2n + BigInt(across) ** 2n - BigInt(time) ** 2n) * unit * unit;
    const options = { c: 1, metric: 'lorentz' } as const;
    const got = pairwiseDistance.sync(Float64Array.from(base), Float64Array.from(y), options).data;
    eachClose(t, got, [2 * Math.asinh(Math.sqrt(s / 4))], limitsOf('lorentz', Float64Array).value, `${time}`);
  }
});

test('lorentz: distances equal those of the same points in the ball', (t) => {
  const c = 0.5;
  const x = cloud(Float64Array, 20, 5, 1.2);
  const lifted = new Float64Array(20 * 6);
  for (const [i, row] of table(x.data, 5).entries()) {
    const cn = c * row.reduce((sum, v) => sum + v * v, 0);
    lifted[i * 6] = (1 + cn) / (1 - cn) / Math.sqrt(c);
    row.forEach((v, k) => {
      lifted[i * 6 + 1 + k] = (2 * v) / (1 - cn);
    });
  }
  const want = pairwiseDistance.sync(x, undefined, { c }).data;
  const got = pairwiseDistance.sync(matrix(lifted, 20, 6), undefined, { c, metric: 'lorentz' }).data;
  close(t, got, want, limitsOf('lorentz', Float64Array).value, 'lorentz');
});
