import test from 'ava';
import type { ListedRun, ShownRun } from '../../../lib/train/dashboard/runs-folder.ts';
import { chosen, runsPage, runsPart, selectionOf } from '../../../lib/train/dashboard/runs-page.ts';
import type { StepRow } from '../../../lib/train/run/record.ts';
import { evaluationRow, fakeRun, stepRow } from '../fake-run.ts';

const listed = (count: number): ListedRun[] =>
  Array.from({ length: count }, (_, i) => ({
    path: `sweep/runs/t-${i}`,
    changed: 1e12 - i,
    size: 1,
    version: '',
  }));

const shown = (path: string, others: Partial<ShownRun> = {}): ShownRun => ({
  ...{
    path,
    changed: 1e12,
    version: '',
    size: 1,
    record: { ...fakeRun('a'), name: path },
    lastStep: stepRow(4) as StepRow,
    trouble: null,
    training: false,
  },
  ...others,
});

test('shows the runs that changed last unless the URL selects others, and filters all runs by name', (t) => {
  const runs = listed(3000);
  const usual = chosen(runs, selectionOf(new URLSearchParams()));
  t.deepEqual([usual.rows.length, usual.lines.length, usual.total], [100, 6, 3000]);
  t.is(usual.rows[0], runs[0]);
  const filtered = chosen(runs, selectionOf(new URLSearchParams('match=t-299')));
  t.deepEqual([filtered.rows.length, filtered.total], [11, 11]);
  const selected = chosen(runs, selectionOf(new URLSearchParams('run=sweep/runs/t-7&run=sweep/runs/t-2500')));
  t.deepEqual(selected.lines, [runs[7]!, runs[2500]!]);
  const many = new URLSearchParams(runs.map(({ path }): [string, string] => ['run', path]));
  t.is(chosen(runs, selectionOf(many)).lines.length, 12);
});

test('a row has the last step, the last and the best recall, and the age', (t) => {
  const [row] = /<tbody>.*<\/tbody>/s.exec(runsPart([shown('a')], [], 1, 1e12 + 7_300_000).text)!;
  const cells = [...row.matchAll(/<td>([^<]*)<\/td>/g)].map(([, text]) => text);
  t.deepEqual(cells.slice(0, 3), ['shapes', 'vit_nano', 'hybrid']);
  t.is(cells.at(-1), '2 hours ago');
  const training = runsPart([shown('a', { training: true })], [], 1, 2e12).text;
  t.regex(training, /<td>training<\/td>/);
  t.regex(runsPart([shown('a')], [], 250, 1e12).text, /The 1 most recently changed of 250 runs\./);
});

test('the row of an unreadable run states the reason, and names are escaped', (t) => {
  const hostile = '"><script>alert(1)</script>';
  const broken = shown(hostile, { record: null, trouble: 'config.json is damaged' });
  const part = runsPart([broken, shown(hostile)], [shown(hostile)], 2, 1e12);
  t.regex(part.text, /config\.json is damaged/);
  const page = runsPage(hostile, { match: hostile, paths: [] }, part);
  t.false(page.includes('<script>alert'));
});

test('an empty folder has a message instead of a list', (t) => {
  t.regex(runsPart([], [], 0, 0).text, /No matching runs yet\./);
});

test('the best of 200,000 evaluations is found', (t) => {
  const record = { ...fakeRun('a'), rows: Array(200_000).fill(evaluationRow(1, 0.25)) };
  t.regex(runsPart([shown('a', { record })], [], 1, 1e12).text, /<td>25\.0<\/td><td>25\.0<\/td>/);
});

test('names the runs whose files are damaged or do not agree', (t) => {
  const damaged = { ...fakeRun('a'), invalid: { count: 1, first: 'line 9: x' } };
  const { text } = runsPart([shown('x'), shown('y', { record: damaged })], [], 2, 1e12);
  t.deepEqual(text.match(/[xy]: \d+ line/g), ['y: 1 line']);
});
