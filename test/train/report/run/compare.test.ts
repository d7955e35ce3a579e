import test from 'ava';
import {
  comparisonPage,
  forComparison,
  forTrainingCharts,
  maxDrawn,
  trainingCharts,
  withoutDrawings,
} from '../../../../lib/train/report/run/compare.ts';
import type { Row, RunRecord, StepRow } from '../../../../lib/train/run/record.ts';
import { fakeRun, stepRow } from '../../fake-run.ts';

/** Matches HTML and CSS that would make a browser load something. */
const fetching = /(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|<link/i;

test('shows runs side by side, with only the settings that differ', (t) => {
  const idle = {
    save_every: 1,
    baselines: true,
    eval_ep: '[7]',
    workers: 9,
    threads: 3,
    save_emb: true,
    cache: 'memory',
  };
  const page = comparisonPage([
    fakeRun('one', { geometry: 'hybrid' }),
    fakeRun('two', { geometry: 'chordal', lr: 0.5, ...idle }),
  ]);
  t.notRegex(page, fetching);
  const settings = page.slice(page.indexOf('Settings that differ'));
  t.regex(settings, /geometry.*hybrid.*chordal/s);
  t.regex(settings, /<th scope="row">lr<\/th>/);
  t.notRegex(settings, /hyp_c/);
  for (const name of Object.keys(idle)) t.false(settings.includes(`>${name}<`), name);
  t.is([...page.matchAll(/class="rim|class="lens/g)].length, 2 + 2); // each disk and its magnified inset
});

test('draws the losses of short runs unchanged, and says which are smoothed', (t) => {
  const run = (name: string, steps: number): RunRecord => {
    const rows = Array.from({ length: steps }, (_, i) => stepRow(i + 1));
    return { ...fakeRun(name), rows: rows.map((row, i) => ({ ...row, loss: i % 2 ? 14 : 17 })) as Row[] };
  };
  const short = comparisonPage([run('one', 3), run('dot', 1)]);
  t.regex(short, /<figcaption>Loss<\/figcaption>/);
  t.regex(short, /&quot;y&quot;:\[17,14,17\]/);
  t.is([...short.matchAll(/<path class="dot"/g)].length, 3 + 1);
  t.regex(short, /<\/i>dot<\/li>/);
  t.regex(comparisonPage([run('one', 3), run('long', 100)]), /<figcaption>Loss, long runs smoothed</);
  t.regex(comparisonPage([run('more', 90), run('long', 100)]), /<figcaption>Loss, smoothed</);
});

test('has a row for a run without an evaluation', (t) => {
  const bare = { ...fakeRun('bare'), rows: [stepRow(1)] };
  const page = comparisonPage([bare, fakeRun('one')]);
  t.regex(page, /<th scope="row">Not evaluated: bare<\/th>(<td>–<\/td>){6}<\/tr>/); // Recall@1 to Recall@8, genus, family
  t.notRegex(page, /NaN/);
  t.regex(comparisonPage([bare, bare]), /None of the runs was evaluated/);
});

test('of a thousand runs, the tables contain all and the charts the first ones', (t) => {
  const runs = Array.from({ length: 1000 }, (_, i) => {
    const run = fakeRun(`run-${i}`, { lr: (i + 1) / 1000 });
    const thumbnail = `${run.snapshot!.gallery[0]!.nearest[0]!.thumbnail}${'A'.repeat(4 * i)}`;
    run.snapshot!.gallery[0]!.nearest[0]!.thumbnail = thumbnail; // all neighbors differ
    return run;
  });
  const page = comparisonPage(runs);
  t.true(page.includes('<th scope="col">run-999</th>') && page.includes(': run-999</th>'));
  t.regex(page, new RegExp(`neighbors and negatives are shown for the first ${maxDrawn} runs`));
  t.is(
    [...page.matchAll(/class="rim"/g)].length,
    [...comparisonPage(runs.slice(0, 48)).matchAll(/class="rim"/g)].length,
  );
  t.true(page.length < 10_000_000, `${page.length}`);
  const light = runs.map((run, i) => (i < maxDrawn ? run : withoutDrawings(run)));
  t.is(comparisonPage(light), page);
  t.notRegex(comparisonPage(runs.slice(0, 2)), /are shown for the first/);
});

test('charts of averaged steps equal those of the steps', (t) => {
  for (const count of [0, 1, 2, 119, 120, 121, 240, 1001]) {
    const steps = Array.from({ length: count }, (_, i): Row => {
      return { ...(stepRow(i + 1) as StepRow), loss: i % 7 < 3 ? Number.NaN : Math.sin(i) };
    });
    const run = { ...fakeRun('one'), rows: [...fakeRun('one').rows.slice(0, 1), ...steps] };
    t.is(trainingCharts([forTrainingCharts(run)]).text, trainingCharts([run]).text, `${count} steps`);
    t.is(comparisonPage([forComparison(run), run]), comparisonPage([run, run]));
    t.true(forComparison(run).rows.length <= 121);
  }
});

test('names the runs whose files are damaged or do not agree', (t) => {
  const changed = { ...fakeRun('two'), mismatches: ['metrics.jsonl was <changed>.'] };
  const damaged = { ...fakeRun('three'), invalid: { count: 2, first: 'line 9: x' } };
  const page = comparisonPage([fakeRun('one'), forComparison(changed), withoutDrawings(damaged)]);
  t.true(page.includes('<p class="note">two: metrics.jsonl was &lt;changed&gt;.</p>'));
  t.true(page.includes('<p class="note">three: 2 lines of metrics.jsonl are invalid'));
  t.false(page.includes('<p class="note">one: '));
});
