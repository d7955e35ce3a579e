import test from 'ava';
import { comparisonPage } from '../../../../lib/train/report/run/compare.ts';
import { duration, runPage } from '../../../../lib/train/report/run/page.ts';
import type { StepRow } from '../../../../lib/train/run/record.ts';
import { fakeRun, stepRow } from '../../fake-run.ts';

/** Matches HTML and CSS that would make a browser load something. */
const fetching = /(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|<link/i;

test('a report is a single file without external resources', (t) => {
  const page = runPage(fakeRun('run-1'));
  t.notRegex(page, fetching);
  t.true(page.startsWith('<!doctype html>'));
});

test('a report shows the recall, the curves, every point of the disk and the gallery', (t) => {
  const page = runPage(fakeRun('run-1'));
  t.regex(page, /<td class="bar"[^>]*>60\.0<\/td>/);
  t.regex(page, /Untrained network, head/);
  t.regex(page, /Raw pixels/);
  t.is([...page.matchAll(/data-class="/g)].length, 8);
  t.regex(page, /data-family="birds"/);
  t.regex(page, /title="lark, y, birds \(different class\)"/);
  t.is([...page.matchAll(/<svg [^>]*data-chart/g)].length, 2);
  t.regex(page, /class="miss"/);
});

test('names from the data set cannot become HTML or end a script', (t) => {
  const run = fakeRun('run-1');
  run.snapshot!.classes[1] = '</script><img src=x onerror=alert(1)>';
  const page = runPage(run);
  t.false(page.includes('<b>&"owl"'));
  t.false(page.includes('<img src=x'));
  t.is([...page.matchAll(/<script/g)].length, [...page.matchAll(/<\/script>/g)].length);
});

test('sections without data are omitted', (t) => {
  const bare = { ...fakeRun('run-1'), rows: [], snapshot: null };
  const page = runPage(bare);
  t.notRegex(page, /NaN|undefined|Infinity|Recall on unseen|Poincaré disk/);
  t.notRegex(comparisonPage([bare, bare]), /NaN|undefined|Infinity/);
});

test('durations are formatted', (t) => {
  t.is(duration(48.4), '48\u00a0s');
  t.is(duration(161), '2\u00a0min\u00a041\u00a0s');
  t.is(duration(3900), '1\u00a0h\u00a05\u00a0min');
  t.is(duration(7199), '2\u00a0h\u00a00\u00a0min');
});

test('omits numbers that a step does not have', (t) => {
  const row = stepRow(1) as StepRow;
  const lacking = { ...row, loss: Number.NaN, imagesPerSecond: Number.NaN, seconds: Number.NaN };
  const page = runPage({ ...fakeRun('gaps'), rows: [lacking, { ...lacking, step: 2 }] });
  t.regex(page, /<figcaption>Loss<\/figcaption><p class="note">Not measured/);
  t.notRegex(page, /NaN/);
});
