import { join, resolve } from 'node:path';
import test from 'ava';
import { section, topics } from '../../../lib/train/dashboard/sections.ts';
import { type LiveRun, LiveState } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import type { StepRow } from '../../../lib/train/run/record.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../fake-run.ts';

const run = (more: Partial<LiveRun> = {}): LiveRun => ({
  ...new LiveState(parseConfig({ name: 'mine' })).run,
  ...more,
});
const step = (number: number, more: Partial<StepRow> = {}): StepRow => ({
  ...(stepRow(number) as StepRow),
  ...more,
});
const status = (more: Partial<LiveRun>): string => section('status', run(more)).text;

test('before the first step, every part says when it will have data', (t) => {
  const texts = topics.map((topic) => section(topic, run()).text);
  t.deepEqual(topics, ['status', 'curves', 'health', 'images']);
  for (const [i, words] of [
    /Starting<\/b> before the first step/,
    /Curves appear after the second step/,
    /The first epoch has not finished yet/,
    /Appears after the first evaluation \(option eval_ep\)/,
  ].entries())
    t.regex(texts[i]!, words);
});

test('the status shows the last step, the evaluation and the time left', (t) => {
  const rows = [step(1), step(2), evaluationRow(2, 0.5), step(3)];
  const text = status({ rows, steps: 12, status: 'training' });
  t.regex(text, /Training<\/b> step 3 of 12, epoch 3, ETA /);
  t.regex(text, /<b>3\.333<\/b><span>loss</);
  t.regex(text, /<b>50\.0<\/b><span>Recall@1 after epoch 2, %</);
  t.regex(text, /<b>100<\/b><span>images\/s</);
  t.regex(text, /aria-valuenow="0\.250"/);
  t.notRegex(status({ rows, steps: 12, status: 'finished' }), /ETA/);
  t.notRegex(status({ rows, steps: null, status: 'training' }), /ETA| of /);
});

test('shows unmeasured values as dashes, and averages images/s over measured values only', (t) => {
  const { NaN: none } = Number;
  const rows = [
    step(1, { imagesPerSecond: 50 }),
    step(2, { imagesPerSecond: none, loss: none, seconds: none }),
  ];
  const text = status({ rows, steps: 4, status: 'training' });
  t.regex(text, /<b>–<\/b><span>loss</);
  t.regex(text, /<b>50<\/b><span>images\/s</);
  t.notRegex(text, /NaN|ETA/);
});

test('escapes the folder and the notes', (t) => {
  const text = status({ folder: resolve('runs', 'a&b'), notes: ['skipped <b>'] });
  t.true(text.includes(`<code>${join('runs', 'a&amp;b')}</code>`));
  t.true(text.includes('Note: skipped &lt;b&gt;.'));
});

test('draws curves, health and images once they have data', (t) => {
  const drawn = run({ rows: [step(1), step(2), fakeHealth], snapshot: fakeSnapshot() });
  t.is([...section('curves', drawn).text.matchAll(/<figure class="chart"/g)].length, 3);
  t.is([...section('health', drawn).text.matchAll(/<figure class="chart"/g)].length, 2);
  t.regex(section('images', drawn).text, /after epoch 4.*class="gallery"/s);
});

test('a part that cannot be rendered shows an error instead of throwing', (t) => {
  const snapshot = { ...fakeSnapshot(), disk: undefined as never };
  t.regex(section('images', run({ snapshot })).text, /This part cannot be rendered: /);
});
