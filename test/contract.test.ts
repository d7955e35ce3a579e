// The numerics contract of the row-wise operations: results are finite everywhere in the ball, NaN stays in its row, and
// coincident and nearly coincident points keep their accuracy.
import test from 'ava';
import fc from 'fast-check';
import { conformalFactor, dist, matrix, mobiusSub } from '../lib/index.ts';
import { finite, inside, nearDuplicates, pair, rowNorm } from './ball-points.ts';
import { accuracyOf, cards, forward, gradients, isAffected, pointsOf, withNaN } from './row-points.ts';
import { cloud, eachClose, inner, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

for (const card of cards) {
  test(`${card.name}: finite everywhere in the ball, forward and backward`, (t) => {
    const run = ({ c, x, y }: { c: number; x: number[]; y: number[] }) => {
      for (const type of types) {
        const [a, b] = [inside(type, x, c), inside(type, y, c)];
        const d = x.length;
        const inputs = pointsOf(card, type, 1, d, c).map((own, i) => {
          const { domain } = card.inputs[i]!;
          return domain === 'ball' || domain === 'klein'
            ? i === 0
              ? a
              : card.family === 'planes'
                ? own
                : b
            : own;
        });
        for (const compat of [undefined, 'hypmix'] as const) {
          const out = forward(card, inputs, { c, compat });
          const { rows, cols } = out;
          const got = gradients(card, inputs, { c, compat }, cloud(type, rows, cols, 1, 3));
          // Published formulas without guards can divide by 0 if 1 - c|x|^2 rounds to 0, so they are not checked.
          if (compat === undefined || card.published) {
            if (!finite(out, ...got.inputs) || !Number.isFinite(got.c))
              throw new Error(
                `${type.name} ${compat}: ${out.data}, ${got.inputs.map(({ data }) => data)}, ${got.c}`,
              );
          }
        }
      }
      return true;
    };
    t.notThrows(() => fc.assert(fc.property(pair, run), { seed: 11, numRuns: 150 }));
  });

  test(`${card.name}: NaN in any input makes its row NaN, and no other row`, (t) => {
    for (const type of types) {
      for (const compat of [undefined, 'hypmix'] as const) {
        for (const d of [1, 3, 9, 33]) {
          const inputs = pointsOf(card, type, 4, d, 1);
          const good = forward(card, inputs, { c: 1, compat });
          for (const place of inputs.keys()) {
            if (card.inputs[place]!.name === 'weights') continue; // weights that are NaN are rejected
            const bad = forward(card, withNaN(inputs, place), { c: 1, compat });
            const want = good.data.map((value, at) =>
              isAffected(card, place, at, good.cols) ? Number.NaN : value,
            );
            t.deepEqual(bad.data, want, `${type.name}, ${compat}, ${card.inputs[place]!.name}, ${d} columns`);
          }
        }
      }
    }
  });

  if (card.family === 'row') {
    test(`${card.name}: NaN in any input makes the gradients of its row NaN`, (t) => {
      for (const type of types) {
        const inputs = pointsOf(card, type, 4, 9, 1);
        const weights = forward(card, inputs, { c: 1 });
        const good = gradients(card, inputs, { c: 1 }, weights);
        for (const place of inputs.keys()) {
          const bad = gradients(card, withNaN(inputs, place), { c: 1 }, weights);
          bad.inputs.forEach(({ data, cols }, i) => {
            const want = good.inputs[i]!.data.map((value, at) =>
              Math.floor(at / cols) === 1 ? Number.NaN : value,
            );
            t.deepEqual(data, want, `${type.name}, ${card.inputs[place]!.name}`);
          });
        }
      }
    });
  }
}

for (const type of types) {
  test(`${type.name}: the distance of equal points is exactly 0, with gradient 0`, (t) => {
    for (const c of [1e-8, 0.1, 1, 1e8]) {
      for (const radius of [0, 1e-8, 0.5, 0.99, 1 - 1e-7, 1]) {
        const [x] = nearDuplicates(type, c, radius, 0);
        const ones = matrix(new type(6).fill(1), 6, 1);
        for (const compat of [undefined, 'hypmix'] as const) {
          t.true(dist.sync(x, x, { c, compat }).data.every((d) => d === 0));
          const gradC = new Float64Array(1);
          const [gx, gy] = dist.vjp.sync(x, x, ones, { c, compat, gradC });
          t.true([...gx!.data, ...gy!.data, ...gradC].every((value) => value === 0));
        }
        t.true(mobiusSub.sync(x, x, { c }).data.every((value) => value === 0));
      }
    }
  });

  // The gradient of a distance has norm 1 in the metric: |grad| (1 - c|x|^2)/2 = 1, at any distance.
  test(`${type.name}: the gradient of dist has length 1, for points near the rim and near each other`, (t) => {
    const nearest = type === Float64Array ? 1e-12 : 1e-5;
    for (const c of [0.1, 1, 40]) {
      for (const radius of [0.3, 0.99, 0.9999]) {
        for (let apart = 0.5; apart > nearest; apart /= 7) {
          const [x, y] = nearDuplicates(type, c, radius, apart);
          const ones = matrix(new type(6).fill(1), 6, 1);
          const [gx, gy] = dist.vjp.sync(x, y, ones, { c });
          for (const [at, gradient] of [
            [x, gx!],
            [y, gy!],
          ] as const) {
            const factors = conformalFactor.sync(at, { c }).data;
            const lengths = Array.from(factors, (factor, i) => rowNorm(gradient, i * 9) / factor);
            eachClose(
              t,
              lengths,
              new Array(6).fill(1),
              allowed(type, accuracyOf('dist').gradient),
              `c ${c}, ${radius}, ${apart}`,
            );
          }
        }
      }
    }
  });

  test(`${type.name}: the difference of nearly equal points is accurate to every digit`, (t) => {
    const c = 1;
    for (const radius of [0.3, 0.99]) {
      for (const apart of [1e-2, 1e-4, ...(type === Float64Array ? [1e-7, 1e-10, 1e-13] : [])]) {
        const [x, y] = nearDuplicates(type, c, radius, apart);
        const d = dist.sync(x, y, { c }).data;
        const w = mobiusSub.sync(x, y, { c });
        const want = Array.from(d, (each) => Math.tanh(each / 2));
        const got = Array.from(d, (_, i) => rowNorm(w, i * 9));
        const limit = allowed(type, accuracyOf('mobiusSub').value, coreError.rounding.float64);
        eachClose(t, got, want, limit, `radius ${radius}, apart ${apart}`);
        const direct = Array.from(d, (_, i) => {
          const [a, b] = [x, y].map(({ data }) => Array.from(data.subarray(i * 9, (i + 1) * 9), Number));
          const s = a!.reduce((sum, value, k) => sum + (value - b![k]!) ** 2, 0);
          return 2 * Math.asinh(Math.sqrt(s / ((1 - inner(a!, a!)) * (1 - inner(b!, b!)))));
        });
        const own = referenceError.closedForms;
        eachClose(
          t,
          d,
          direct,
          allowed(type, accuracyOf('dist').value, own),
          `radius ${radius}, apart ${apart}`,
        );
      }
    }
  });
}
