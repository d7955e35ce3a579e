import test from 'ava';
import { recipes } from '../../../lib/train/options/recipes.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import {
  baseOf,
  fitBudget,
  mergedBase,
  planReproduction,
  publishedRecipes,
  runsOf,
  studyNames,
  variedNames,
} from '../../../lib/train/study/reproduction.ts';

const seeds = [42, 43, 44, 45, 46];

test("the studies vary only the options of the paper's questions", (t) => {
  const plans = planReproduction('full', baseOf('shapes', false), [42]);
  t.deepEqual(Object.keys(plans), [...studyNames]);
  t.deepEqual(plans.temperature.varied, ['geometry', 't'].slice(1));
  t.deepEqual(
    [...new Set(plans.temperature.cells.map(({ arm }) => arm))],
    ['euclidean', 'hyperbolic', 'hybrid'],
  );
  t.deepEqual(plans['lambda-c'].varied, ['lam', 'hyp_c']);
  t.deepEqual(plans.head.varied, ['head']);
  for (const { cells } of Object.values(plans))
    for (const { config } of cells) t.is(config.eval_ep, `[${config.ep}]`, 'the last epoch is evaluated');
  for (const { varied } of Object.values(plans)) t.true(varied.every((name) => variedNames.includes(name)));
});

test('every data set has valid options, and published ones keep their number of epochs', (t) => {
  for (const ds of ['shapes', 'emoji', 'emoji-subgroups', 'CUB', 'Cars', 'SOP', 'Inshop', 'folder'])
    for (const quick of [false, true]) {
      const config = parseConfig({ ...baseOf(ds, quick), path: 'somewhere' }, 'reproduce');
      t.is(config.ds, ds);
      t.is(config.head, 'hypmix', 'the head is an axis of its own study');
    }
  t.is(parseConfig(baseOf('Cars', false)).ep, 300);
  t.is(parseConfig(baseOf('Cars', true)).ep, 1);
});

test('a given number of epochs moves the last evaluation, and given options override those of the data set', (t) => {
  for (const ds of ['shapes', 'emoji', 'Cars']) {
    const config = parseConfig(mergedBase(ds, false, { ep: '7', lr: 0.5 }), 'reproduce');
    t.deepEqual([config.ep, config.eval_ep, config.lr], [7, '[7]', 0.5], ds);
  }
  t.deepEqual(mergedBase('shapes', true, {}), baseOf('shapes', true));
});

test("published recipes have the papers' values", (t) => {
  t.true(publishedRecipes('CUB').length >= 3);
  t.deepEqual(publishedRecipes('emoji'), []);
  t.is(
    ['CUB', 'Cars', 'SOP', 'Inshop'].flatMap(publishedRecipes).length,
    recipes.filter(({ paper }) => paper !== null).length,
  );
});

test('a budget removes seeds first, then settings, but keeps at least three seeds', (t) => {
  const base = baseOf('shapes', false);
  const runs = (grid: 'full' | 'small', count: number): number =>
    runsOf(planReproduction(grid, base, seeds.slice(0, count)));
  t.is(runs('full', 3), 75);
  const fit = (budget: number) => fitBudget(base, seeds, 10, budget);
  t.deepEqual(fit(Infinity), { grid: 'full', seeds });
  t.deepEqual(fit(10 * runs('full', 5)), { grid: 'full', seeds });
  t.deepEqual(fit(10 * runs('full', 5) - 1), { grid: 'full', seeds: seeds.slice(0, 4) });
  t.deepEqual(fit(10 * runs('full', 3) - 1), { grid: 'small', seeds });
  t.deepEqual(fit(10 * runs('small', 3)), { grid: 'small', seeds: seeds.slice(0, 3) });
  const error = t.throws<Error & { code: string }>(() => fit(10 * runs('small', 3) - 1));
  t.is(error?.code, 'ERR_HOROBALL_OPTION');
  t.regex(error!.message, /budget: expected at least 6 minutes/);
  t.deepEqual(fitBudget(base, [7], 10, 10 * runs('small', 1)).seeds, [7], 'fewer if fewer were requested');
});
