// Compares every row-wise operation on the device with the CPU, forward and backward.
import { matrix } from '../../lib/index.ts';
import { cards, forward, gradients, isAffected, pointsOf, withNaN } from '../row-points.ts';
import { close, noise, types } from '../support.ts';
import { allowed } from '../tolerances.ts';
import { gpu, logDevice } from './device.ts';

logDevice();

const shapes = [
  [1, 1],
  [7, 3],
  [33, 17],
  [5, 130],
] as const;

for (const card of cards) {
  const guards = card.published ? ([undefined, 'hypmix'] as const) : [undefined];

  gpu(`${card.name}: agrees with the CPU`, (t) => {
    for (const type of types) {
      for (const [n, d] of shapes) {
        for (const compat of guards) {
          const inputs = pointsOf(card, type, n, d, 1);
          const want = forward(card, inputs, { c: 1, compat });
          const got = forward(card, inputs, { c: 1, compat, device: 'cuda' });
          close(
            t,
            got.data,
            want.data,
            allowed(type, card.tolerance.device.value),
            `${type.name} ${n} x ${d}`,
          );
        }
      }
    }
  });

  gpu(`${card.name}: NaN makes its row NaN and no other`, (t) => {
    for (const compat of guards) {
      const options = { c: 1, compat, device: 'cuda' } as const;
      const inputs = pointsOf(card, Float32Array, 4, 33, 1);
      const good = forward(card, inputs, options);
      for (const place of inputs.keys()) {
        if (card.inputs[place]!.name === 'weights') continue; // weights that are NaN are rejected
        const bad = forward(card, withNaN(inputs, place), options);
        const want = good.data.map((v, at) => (isAffected(card, place, at, good.cols) ? Number.NaN : v));
        t.deepEqual(bad.data, want, card.inputs[place]!.name);
      }
    }
  });

  gpu(`${card.name}: gradients agree with the CPU`, (t) => {
    for (const type of types) {
      for (const [n, d] of shapes) {
        const inputs = pointsOf(card, type, n, d, 1, 0.9);
        const result = forward(card, inputs, { c: 1 });
        const next = noise(3);
        const data = type.from(Array.from(result.data, () => next()));
        const cotangent = matrix(data, result.rows, result.cols);
        const want = gradients(card, inputs, { c: 1 }, cotangent);
        const got = gradients(card, inputs, { c: 1, device: 'cuda' }, cotangent);
        const { gradient, parameters } = card.tolerance.device;
        const limit = allowed(type, gradient);
        const what = `${type.name} ${n} x ${d}`;
        want.inputs.forEach((each, i) => {
          close(t, got.inputs[i]!.data, each.data, limit, `${what}, input ${i}`);
        });
        close(t, [got.c, got.own ?? 0], [want.c, want.own ?? 0], allowed(type, parameters), what);
      }
    }
  });
}
