import test from 'ava';
import { type ReadReproduction, reproductionPage } from '../../../../lib/train/report/study/reproduction.ts';
import { baseOf, planReproduction, studyNames } from '../../../../lib/train/study/reproduction.ts';
import { runName, type Study } from '../../../../lib/train/study/results.ts';
import { startCpuClock } from '../../../cpu-clock.ts';
import { fakeHealth, fakeRun } from '../../fake-run.ts';
import { result } from '../../study/synthetic-study.ts';

const seeds = [42, 43, 44];
const plans = planReproduction('small', baseOf('shapes', false), seeds);

/** Studies in which every run has the recall that `at1` returns for it. */
function made(at1: (arm: string, seed: number) => number): ReadReproduction {
  const studies = Object.fromEntries(
    studyNames.map((name): [string, Study] => {
      const plan = plans[name];
      const results = plan.cells.flatMap(({ id, arm }) =>
        seeds.map((seed) => result(id, seed, at1(arm, seed))),
      );
      return [name, { name, plan, results }];
    }),
  ) as ReadReproduction['studies'];
  const runOf = (name: (typeof studyNames)[number], at: number) => {
    const cell = plans[name].cells[at]!;
    const run = fakeRun(runName(cell, 42), { ...cell.config, name: runName(cell, 42) });
    return { ...run, rows: [...run.rows, fakeHealth] };
  };
  return {
    record: {
      ds: 'shapes',
      quick: false,
      base: {},
      asked: seeds,
      grid: 'small',
      seeds,
      command: 'horoball reproduce --out <x>',
      machine: 'a machine',
    },
    studies,
    best: [0, 2, 4].map((at) => runOf('temperature', at)),
    heads: [0, 1].map((at) => runOf('head', at)),
  };
}

test('the page answers each question, links to the studies and has no external resources', (t) => {
  const page = reproductionPage(made((arm, seed) => (arm === 'hybrid' ? 0.6 : 0.5) + 0.01 * (seed % 3)));
  for (const heading of [
    'Recall against temperature',
    'Recall against lambda and c',
    'Effective temperature and hard negatives',
    'Fixed or free radius?',
    'How this report was made',
  ])
    t.true(page.includes(`<h2>${heading}</h2>`), heading);
  for (const name of studyNames) t.true(page.includes(`href="${name}/report.html"`), name);
  t.regex(page, /hybrid is 10\.0 points above/);
  t.true(page.includes('horoball reproduce --out &lt;x&gt;'));
  t.regex(page, /fewer settings and 3 of 3 seeds/);
  t.regex(page, /0\.500 \(0\.100 to 0\.800\)/, 'radii of the free head');
  t.notRegex(page, /(?:src|href)="https?:/);
  t.false(page.includes('Published values'));
});

test('a run whose config.json has another geometry than its snapshot has no chart of the gradient', (t) => {
  const found = made(() => 0.5);
  const profile = {
    ...{ negatives: 6, effective: 4, hardest1: 0.2, hardest10: 0.5, sameView: 0.5, missed: 0.3 },
    byRank: { hardest: [1], sameView: [0.1], crossView: [0.1] },
    byCosine: { count: [0.25, 0.75], weight: [0.1, 0.9], pull: [0.1, 0.9] },
  };
  const page = (own: 'hybrid' | 'chordal'): string => {
    const profiles = [{ geometry: own, ...profile }];
    const negatives = { own, tied: true, views: 2, classes: 4, cosineBins: 2, profiles };
    const best = found.best.map((run) => ({ ...run, snapshot: { ...run.snapshot!, negatives } }));
    return reproductionPage({ ...found, best });
  };
  t.regex(page('hybrid'), /Share of the gradient, hybrid/);
  t.notRegex(page('chordal'), /Share of the gradient/); // was a TypeError
});

test('a page without results makes no claims', (t) => {
  const { record, studies } = made(() => 0.5);
  const none = Object.fromEntries(
    Object.entries(studies).map(([name, study]) => [name, { ...study, results: [] }]),
  ) as unknown as ReadReproduction['studies'];
  const page = reproductionPage({ record, studies: none, best: [], heads: [] });
  t.regex(page, /No run has finished yet/);
  t.notRegex(page, /Recall against|Fixed or free/);
});

test('describes the runs that --quick and a budget omit', (t) => {
  const { record, ...rest } = made(() => 0.5);
  const page = (change: Partial<typeof record>) =>
    reproductionPage({ ...rest, record: { ...record, ...change } });
  const one = { seeds: [42], asked: [42] };
  t.regex(
    page({ quick: true, ...one }),
    /With --quick, it uses fewer settings, one seed and far fewer epochs\./,
  );
  t.notRegex(page({ quick: true, ...one }), /budget/);
  t.regex(page({ asked: [...seeds, 45] }), /To fit the budget, it uses fewer settings and 3 of 4 seeds\./);
  t.notRegex(page({ grid: 'full' }), /budget/);
});

test('the page of a published data set shows published values', (t) => {
  const { record, ...rest } = made(() => 0.5);
  const page = reproductionPage({ record: { ...record, ds: 'CUB' }, ...rest });
  t.regex(page, /<h2>Published values<\/h2>.*85\.6/s);
});

test('the time is linear in the number of settings', (t) => {
  const found = made(() => 0.5);
  const many = (name: (typeof studyNames)[number]): Study => {
    const { plan } = found.studies[name];
    const cells = Array.from({ length: 5000 }, (_, i) => {
      const cell = plan.cells[0]!;
      return { ...cell, id: `c${i}`, config: { ...cell.config, lam: i + 1, hyp_c: i + 1 } };
    });
    return { name, plan: { ...plan, cells }, results: cells.map(({ id }) => result(id, 42, 0.5)) };
  };
  const studies = { ...found.studies, 'lambda-c': many('lambda-c'), head: many('head') };
  const heads = studies.head.plan.cells.map((cell) => fakeRun(runName(cell, 42)));
  const spent = startCpuClock();
  const page = reproductionPage({ ...found, studies, heads }); // was a table of 25 million cells
  const ms = spent();
  t.true(ms < 2000, `${ms} ms`);
  t.true(page.length < 5e6, `${page.length} characters`);
  t.false(page.includes('<h2>Recall against lambda and c</h2>'));
});

test('names the runs whose files are damaged or do not agree', (t) => {
  const read = made(() => 0.5);
  const [first, ...others] = read.best;
  const page = reproductionPage({ ...read, best: [{ ...first!, mismatches: ['a mismatch.'] }, ...others] });
  t.true(page.includes(`<p class="note">${first!.name}: a mismatch.</p>`));
});

test('the page reports invalid lines of results, with the folder of their study', (t) => {
  const { studies, ...rest } = made(() => 0.5);
  const head = { ...studies.head, invalid: { count: 2, first: 'line 3: not JSON' } };
  t.regex(
    reproductionPage({ ...rest, studies: { ...studies, head } }),
    /<p class="note">2 lines of head\/results\.jsonl are invalid and were skipped \(line 3: not JSON\)\.<\/p>/,
  );
});
