import test from 'ava';
import { agree, type StepResults } from '../../../lib/train/run/agreement.ts';

/** Calls `agree` on all ranks of a fake group, and returns the results of each rank. */
async function together(isPerRank: boolean, results: readonly StepResults[]): Promise<StepResults[]> {
  const size = results.length;
  const given: Float64Array[] = [];
  let release = (): void => {};
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  const groupOf = (rank: number) => ({
    rank,
    size,
    sum: async (values: Float64Array) => {
      given[rank] = values.slice();
      if (given.filter(Boolean).length === size) release();
      await all;
      for (let i = 0; i < values.length; i++) values[i] = given.reduce((sum, each) => sum + each[i]!, 0);
    },
  });
  return await Promise.all(results.map((each, rank) => agree(groupOf(rank), isPerRank, each)));
}

const values = { loss: 2, min: -1, mean: 0.5, max: 3, accuracy: 0.25 };
const one: StepResults = { loss: values, headGradient: 0.5, stop: false };
const gradParams = { tauE: 1, tauH: 2, lambda: 3, c: 4 };

test('all ranks get the values of rank 0, the sum of head gradients, and a stop request of any rank', async (t) => {
  const other: StepResults = { loss: { ...values, loss: 2.0001 }, headGradient: 0.25, stop: true };
  const got = await together(false, [one, other]);
  t.deepEqual(got[0], { loss: values, headGradient: 0.75, stop: true });
  t.deepEqual(got[1], got[0]);
});

test('ranks with losses of their own rows average the values and sum the gradients', async (t) => {
  const other: StepResults = { ...one, loss: { ...values, loss: 4, gradParams }, headGradient: 0 };
  const got = await together(true, [{ ...one, loss: { ...values, gradParams } }, other]);
  t.is(got[0]!.loss.loss, 3);
  t.is(got[0]!.loss.accuracy, 0.25);
  t.deepEqual(got[0]!.loss.gradParams, { tauE: 2, tauH: 4, lambda: 6, c: 8 });
  t.deepEqual(got[1], got[0]);
});

test('a single rank keeps its results', async (t) => {
  t.deepEqual(await together(false, [one]), [one]);
  const with4 = { ...one, loss: { ...values, gradParams } };
  t.deepEqual(await together(false, [with4]), [with4]);
});
