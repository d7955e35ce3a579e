import test from 'ava';
import fc from 'fast-check';
import {
  contrastiveLoss,
  gromovDelta,
  hybridContrastiveLoss,
  matrix,
  pairwiseDistance,
  topK,
} from '../lib/index.ts';
import { cloud } from './support.ts';

const x = cloud(Float32Array, 6, 3, 0.5);
const narrow = cloud(Float32Array, 6, 2, 0.5);
const double = cloud(Float64Array, 6, 3, 0.5);
const none = matrix(new Float32Array(0), 0, 3);

test('any arguments give a result or an error with a code', async (t) => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      x,
      narrow,
      double,
      none,
      undefined,
      null,
      'poincare',
      Number.NaN,
      -1,
      0,
      1,
      3,
      [],
      {},
    ),
    fc.constantFrom<unknown>(new Float32Array(3), new Float64Array(0), new Uint8Array(18), {
      data: x.data,
      rows: 6,
      cols: 4,
    }),
    fc.record({
      c: fc.double(),
      k: fc.integer(),
      views: fc.integer(),
      metric: fc.constantFrom('poincare', 'cosine', 7),
    }),
  );
  const calls = [
    pairwiseDistance.sync,
    pairwiseDistance.vjp.sync,
    topK.sync,
    hybridContrastiveLoss.sync,
    contrastiveLoss.sync,
    gromovDelta.sync,
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...calls), fc.array(value, { maxLength: 4 }), async (call, args) => {
      try {
        (call as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code?.startsWith('ERR_HOROBALL_') !== true) throw error;
      }
    }),
    { numRuns: 3000, seed: 5 },
  );
  t.pass();
});
