import test from 'ava';
import { learningRate } from '../../../lib/train/run/schedule.ts';
import { statedError } from '../../tolerances.ts';

test('the learning rate rises during warm-up, then stays constant or decays to almost 0', (t) => {
  const cosine = { lr: 2, schedule: 'cosine', warmup: 4 } as const;
  t.deepEqual(
    [1, 2, 3, 4].map((step) => learningRate(cosine, step, 104)),
    [0.5, 1, 1.5, 2],
  );
  t.is(learningRate(cosine, 5, 104), 2);
  t.true(Math.abs(learningRate(cosine, 55, 104) - 1) < statedError.arithmetic);
  t.true(learningRate(cosine, 104, 104) > 0 && learningRate(cosine, 104, 104) < 0.001);
  t.is(learningRate({ ...cosine, schedule: 'constant' }, 104, 104), 2);
  t.is(learningRate(cosine, 1000, null), 2);
});
