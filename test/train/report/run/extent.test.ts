import test from 'ava';
import { runPage } from '../../../../lib/train/report/run/page.ts';
import type { Row } from '../../../../lib/train/run/record.ts';
import { evaluationRow, fakeRun, stepRow } from '../../fake-run.ts';

test('the report of a stopped run says that it was stopped, and at which step its figures were measured', (t) => {
  const full = fakeRun('run-1', { ep: 4 });
  const whole = runPage(full);
  t.regex(whole, /on shapes, 4 steps with batch size 128/);
  t.notRegex(whole, /\d of \d+ steps|training continued/);
  t.regex(whole, /<span>Recall@1 on the test classes after epoch 4, %/);
  const rows = [...full.rows.slice(0, 3), evaluationRow(2, 0.6), ...full.rows.slice(3, 4)];
  const stopped = runPage({ ...full, rows });
  t.regex(stopped, /on shapes, 3 of 4 steps with batch size 128/);
  t.regex(stopped, /<span>Recall@1 on the test classes after epoch 2, %/);
  t.regex(stopped, /<h2>Recall on the test classes after epoch 2</);
  t.regex(stopped, /These results are from step 2; training continued to step 3\./);
  t.regex(runPage({ ...full, rows: rows.slice(0, 2) }), /<h2>Recall on the test classes before training</);
});

test('a report states the best of several evaluations if it is not the last', (t) => {
  const run = (...recalls: number[]): string => {
    const rows = recalls.map((at1, epoch) => evaluationRow(epoch, at1));
    return runPage({ ...fakeRun('run-1', { geometry: 'euclidean' }), rows });
  };
  t.regex(
    run(0.1, 0.5, 0.7, 0.7, 0.6),
    /The best evaluation was after epoch 2: Recall@1 69\.0% by cosine; best\.safetensors has/,
  );
  for (const page of [run(0.1, 0.5, 0.6), run(0.7, 0.6), run(0.7)]) t.notRegex(page, /best evaluation/);
});

test('the report of a run without an evaluation says so, and when the first one is due if known', (t) => {
  const words = (rows: Row[], options: Record<string, unknown> = {}): string | undefined => {
    const run = { ...fakeRun('run-1', { ep: 40, ...options }), rows, snapshot: null };
    return /<p class="note">(Not evaluated.*?)<\/p>/.exec(runPage(run))?.[1];
  };
  const yet = 'Not evaluated yet: the first evaluation is after epoch 4.';
  t.is(words([stepRow(1)]), yet);
  t.is(words([stepRow(1), stepRow(2)]), yet);
  t.is(words([]), yet.replace('after epoch 4', 'before training'));
  t.is(words([], { eval_ep: '[50,30,7]' }), yet.replace('4', '7'));
  t.is(words([stepRow(1)], { eval_ep: '[50,30,7,0]' }), yet.replace('4', '7'));
  t.is(words([stepRow(1)], { eval_ep: '[]' }), 'Not evaluated: eval_ep is [].');
  t.is(words([1, 2, 3, 4].map(stepRow), { ep: 4 }), 'Not evaluated.');
  t.is(words([stepRow(1), evaluationRow(1, 0.5)]), undefined);
  const slow = { ...stepRow(1), imagesPerSecond: 0.9 } as Row;
  const page = runPage({ ...fakeRun('run-1'), rows: [slow] });
  t.regex(page, /on shapes, 1 step with batch size 128/);
  t.regex(page, /<b>1<\/b><span>images\/s in training/);
});
