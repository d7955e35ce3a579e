import test from 'ava';
import { evaluationsOf, healthRowsOf, stepsOf } from '../../../lib/train/run/record.ts';
import { evaluationRow, stepRow } from '../fake-run.ts';

test('selects rows by type in their order', (t) => {
  const rows = [stepRow(1), evaluationRow(1, 0.1), stepRow(2), evaluationRow(2, 0.2)];
  t.deepEqual(
    stepsOf(rows).map(({ step }) => step),
    [1, 2],
  );
  t.deepEqual(
    evaluationsOf(rows).map(({ epoch }) => epoch),
    [1, 2],
  );
  t.deepEqual(healthRowsOf(rows), []);
});
