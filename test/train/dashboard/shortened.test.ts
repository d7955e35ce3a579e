import test from 'ava';
import { maxRows, shortened } from '../../../lib/train/dashboard/shortened.ts';
import { LiveState } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import {
  evaluationsOf,
  healthRowsOf,
  type Row,
  type StepRow,
  stepsOf,
} from '../../../lib/train/run/record.ts';
import { evaluationRow, fakeHealth, stepRow } from '../fake-run.ts';

const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => [
    { ...(stepRow(i + 1) as StepRow), loss: i % 5 === 0 ? Number.NaN : i + 1, t_h: 0.25 + i },
    ...(i % 1000 === 0 ? [evaluationRow(i, 0.5), { ...fakeHealth, step: i }] : []),
  ]).flat();

test('few rows are kept as they are', (t) => {
  const rows = rowsOf(1000);
  t.deepEqual(shortened(rows), rows);
});

for (const count of [maxRows, maxRows + 1, 100_000, 100_001])
  test(`the older of ${count} steps are averaged in pairs`, (t) => {
    const rows = rowsOf(count);
    const shorter = shortened(rows);
    const [before, after] = [stepsOf(rows), stepsOf(shorter)];
    t.true(shorter.length <= maxRows && after.length > maxRows / 3, `${shorter.length} rows`);
    t.deepEqual(evaluationsOf(shorter), evaluationsOf(rows));
    t.deepEqual(healthRowsOf(shorter), healthRowsOf(rows).slice(-1));
    t.deepEqual(after[0], before[0]);
    t.deepEqual(after.slice(-100), before.slice(-100));
    t.true(after.every(({ step }, i) => i === 0 || step > after[i - 1]!.step));
    t.true(after.every(({ step, loss }) => Number.isNaN(loss) || Math.abs(loss - step) <= 4));
    t.true(after.every(({ step, t_h }) => t_h === step - 0.75));
    t.is(after[1]!.gradNorm, undefined);
  });

test('a live page holds a limited number of rows', (t) => {
  const state = new LiveState(parseConfig({}));
  let most = 0;
  for (let step = 1; step <= 300_000; step++) {
    state.onStep(stepRow(step) as StepRow, null);
    most = Math.max(most, state.run.rows.length);
  }
  t.true(most <= 2 * maxRows, `${most} rows`);
  t.is(stepsOf(state.run.rows).at(-1)!.step, 300_000);
  t.is(stepsOf(state.run.rows)[0]!.step, 1);
});
