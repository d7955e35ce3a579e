import test from 'ava';
import { verdictText } from '../../../../lib/train/report/study/words.ts';
import { analyze } from '../../../../lib/train/study/analyze.ts';
import type { Cell } from '../../../../lib/train/study/plan.ts';
import { plan, result, seeds, syntheticStudy } from '../../study/synthetic-study.ts';

test('describes a tie as a tie', (t) => {
  const verdict = (score: (cell: Cell) => number): string => {
    const { cells } = plan();
    const results = cells.flatMap((cell) => seeds.map((seed) => result(cell.id, seed, score(cell))));
    return verdictText(analyze({ name: 'tie', plan: plan(), results }));
  };
  const none = 'No difference between the geometries is statistically significant.';
  const { length } = plan().cells;
  t.is(
    verdict(() => 0.8125),
    `All ${length} settings tie at 81.3%. ${none}`,
  );
  t.regex(
    verdict(({ config }) => (config.t_e === 0.1 || config.t_h === 0.1 ? 0.8 : 0.7)),
    /^\w+(, \w+)* and \w+ tie at 80\.0%\./,
  );
  t.regex(
    verdict(({ arm }) => (arm === 'hyperbolic' ? 0.8 : 0.7)),
    /^Highest: hyperbolic, 80\.0% at t_h 0\.05, tied with 2 other hyperbolic settings\./,
  );
});

test('says why no setting can be ranked', (t) => {
  const made = plan();
  const verdict = (run: readonly Cell[]): string => {
    const failure = { spaces: null, error: 'the loss is not finite' };
    const results = run.map(({ id }) => ({ ...result(id, 1, 0), ...failure }));
    return verdictText(analyze({ name: 'failed', plan: made, results }));
  };
  t.is(verdict([]), 'No run has finished yet.');
  t.is(verdict(made.cells), 'No setting can be ranked, because each has a failed run.');
  t.is(
    verdict(made.cells.slice(0, 2)),
    'No setting can be ranked yet, because each setting that has been run has a failed run.',
  );
});

test('warns of too few seeds with one geometry as with several', (t) => {
  const few =
    /Too few seeds have finished to distinguish differences from chance; at least three are needed\.$/;
  const verdict = (count: number, arms: readonly string[], temperatures = 3): string => {
    const made = plan();
    const cells = made.cells.filter(({ arm }) => arms.includes(arm)).slice(0, temperatures * arms.length);
    const some = seeds.slice(0, count);
    const results = cells.flatMap(({ id }, i) => some.map((seed) => result(id, seed, 0.5 + 0.01 * i)));
    return verdictText(analyze({ name: 'few', plan: { ...made, cells, seeds: some }, results }));
  };
  for (const count of [1, 2]) {
    t.regex(verdict(count, ['hyperbolic']), few);
    t.regex(verdict(count, ['hyperbolic', 'euclidean']), few);
    t.notRegex(verdict(count, ['hyperbolic'], 1), few, 'a single setting');
  }
  t.notRegex(verdict(3, ['hyperbolic']), few);
});

test('says where further differences are listed, on a page and on a terminal', (t) => {
  const { contrasts, ...rest } = analyze(syntheticStudy(1, {}, plan(true)));
  const best = [...rest.arms].sort((a, b) => b.best!.estimate.mean - a.best!.estimate.mean)[0]!.arm;
  const found = contrasts.map((each) => ({ ...each, verdict: 'difference' as const, more: best }));
  const all = { ...rest, contrasts: found };
  const more = found.length - 3;
  t.true(verdictText(all).endsWith(` ${more} more differences are listed below.`), verdictText(all));
  t.true(verdictText(all, 'in the report').endsWith(` ${more} more differences are listed in the report.`));
});
