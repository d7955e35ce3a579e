import test from 'ava';
import { summaryOf } from '../../../lib/train/run/summary.ts';

test('a summary counts all parameters, and trainable ones', (t) => {
  const parameters = [
    { name: 'pos_embed', shape: [1, 5, 4], trainable: false },
    { name: 'head.weight', shape: [3, 4], trainable: true },
    { name: 'scale', shape: [], trainable: true },
  ];
  const sizes = { train: { images: 8, classes: 2 } };
  const source = { sizes: null, identity: null, epochSteps: null, steps: null };
  t.is(summaryOf(parameters, source, 5).weights, 5);
  t.deepEqual(
    summaryOf(parameters, { sizes, identity: { ...sizes, fingerprint: 7 }, epochSteps: 2, steps: 6 }),
    {
      parameters: 33,
      trainable: 13,
      data: sizes,
      fingerprint: 7,
      epochSteps: 2,
      steps: 6,
    },
  );
});
