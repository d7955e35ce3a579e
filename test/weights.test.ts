import test from 'ava';
import { runSteps, runStepsSync } from '../lib/call/run.ts';
import { contrastiveLoss, frechetMean, matrix, weightedMidpoint } from '../lib/index.ts';
import { weightColumn, weightSteps } from '../lib/weights.ts';

const x = matrix(Float64Array.of(0.6, 0.8, 0.8, 0.6, 1, 0), 3, 2);
const inside = matrix(Float64Array.of(0.1, 0.2, 0.3, 0.1, 0, 0.4), 3, 2);

/** For each function that accepts weights, a call with the given ones. */
const calls: Readonly<Record<string, (weights: Float64Array) => unknown>> = {
  contrastiveLoss: (weights) =>
    contrastiveLoss.sync({ euclidean: x, labels: [0, 0, 1], geometry: 'euclidean', weights }),
  frechetMean: (weights) => frechetMean.sync(inside, { c: 1, weights }),
  'frechetMean.vjp': (weights) => frechetMean.vjp.sync(inside, new Float64Array(2), { c: 1, weights }),
  weightedMidpoint: (weights) => weightedMidpoint.sync(inside, weights, { c: 1 }),
  'weightedMidpoint.vjp': (weights) =>
    weightedMidpoint.vjp.sync(inside, weights, new Float64Array(2), { c: 1 }),
};

for (const [name, call] of Object.entries(calls))
  test(`${name} refuses the same weights with the same message`, (t) => {
    t.notThrows(() => call(Float64Array.of(1, 0, 2)));
    for (const bad of [-1, Number.NaN, Infinity])
      t.throws(() => call(Float64Array.of(1, 1, bad)), {
        instanceOf: RangeError,
        code: 'ERR_HOROBALL_RANGE',
        message: `[${name}] weights: expected finite numbers of 0 or more, got ${bad}`,
      });
    t.throws(() => call(Float64Array.of(1, 1)), { code: 'ERR_HOROBALL_SHAPE', message: /\] weights: / });
  });

test('a row or a column becomes a column', (t) => {
  const data = Float32Array.of(1, 2, 3);
  const want = { data, rows: 3, cols: 1 };
  t.deepEqual(weightColumn('f', data), want);
  t.deepEqual(weightColumn('f', matrix(data, 3, 1)), want);
  t.throws(() => weightColumn('f', matrix(new Float32Array(4), 2, 2)), {
    code: 'ERR_HOROBALL_SHAPE',
    message: '[f] weights: expected one number per row, got 2 x 2',
  });
});

test('weights are copied in slices, and must stay attached', async (t) => {
  const count = 1 << 20;
  const weights = new Float64Array(count).fill(2);
  const copy = new Float64Array(count);
  await runSteps('f', undefined, () => weightSteps('f', weights, count, copy));
  t.deepEqual(copy, weights);
  const later = runSteps('f', undefined, () => weightSteps('f', weights, count));
  structuredClone(weights, { transfer: [weights.buffer] });
  await t.throwsAsync(later, { code: 'ERR_HOROBALL_DETACHED' });
});

test('a weight in a list must be a number', (t) => {
  for (const bad of ['1', null, true, 1n]) {
    const steps = weightSteps('f', [1, bad], 2, new Float64Array(2));
    t.throws(() => runStepsSync('f', steps), {
      code: 'ERR_HOROBALL_RANGE',
      message: /^\[f\] weights: expected finite numbers of 0 or more, got /,
    });
  }
});
