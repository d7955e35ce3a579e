/**
 * The studies that answer the questions of "Understanding Hyperbolic Metric Learning through Hard Negative Sampling" (WACV
 * 2024) on a data set: how recall depends on the temperature, on lambda and c, and on the head.
 */
import { coded } from '../../errors.ts';
import type { RunConfig } from '../options/options.ts';
import { findRecipe, type Recipe, recipes } from '../options/recipes.ts';
import { overrideOptions } from '../options/resolve.ts';
import { type AxisName, parseAxis } from './axes.ts';
import { makePlan, type StudyPlan } from './plan.ts';
import { fewestSeeds } from './statistics.ts';

/** The studies of a reproduction, in the order in which they run. */
export const studyNames = ['temperature', 'lambda-c', 'head'] as const;
export type StudyName = (typeof studyNames)[number];
export type Reproduction = Readonly<Record<StudyName, StudyPlan>>;

/** The sizes of the studies' grids. */
export const grids = ['full', 'small'] as const;
export type Grid = (typeof grids)[number];

type Axes = Partial<Record<AxisName, string>>;

const axesOf: Readonly<Record<Grid, Readonly<Record<StudyName, Axes>>>> = {
  full: {
    temperature: { geometry: 'euclidean,hyperbolic,hybrid', t: '0.05,0.1,0.2,0.4' },
    'lambda-c': { geometry: 'hybrid', lam: '0.5,1,3', hyp_c: '0.1,0.3,1' },
    head: { geometry: 'hyperbolic,hybrid', head: 'hypmix,hyp-vit' },
  },
  small: {
    temperature: { geometry: 'euclidean,hyperbolic,hybrid', t: '0.1,0.2' },
    'lambda-c': { geometry: 'hybrid', lam: '0.5,3', hyp_c: '0.1,1' },
    head: { geometry: 'hyperbolic', head: 'hypmix,hyp-vit' },
  },
};

/** Options that the studies vary. */
export const variedNames: readonly AxisName[] = [
  ...new Set(Object.values(axesOf.full).flatMap((axes) => Object.keys(axes) as AxisName[])),
  't_e',
  't_h',
  'seed',
];

/** Epochs of a run from random weights, by default and with `--quick`. */
const epochs = {
  shapes: { usual: 60, quick: 4 },
  emoji: { usual: 20, quick: 1 },
} as const;

/**
 * Returns the options of all runs on a data set: for `shapes` and the emoji data sets, short runs from random weights; for
 * others, the published options.
 * @param quick - runs of a few epochs, which are enough to see the report but too short for conclusions
 */
export function baseOf(ds: string, quick: boolean): Partial<RunConfig> {
  const length = quick ? 'quick' : 'usual';
  if (ds === 'shapes') return { ds, ...during(epochs.shapes[length]) };
  if (ds.startsWith('emoji')) {
    const { options } = findRecipe('emoji');
    const warmup = quick ? 20 : 100;
    return { ...options, ds, ...during(epochs.emoji[length]), lr: 1e-3, warmup, baselines: false };
  }
  const { head: _, ...published } = publishedRecipes(ds)[0]?.options ?? {};
  return { ...published, ds, ...(quick && during(1)) };
}

function during(ep: number): Pick<RunConfig, 'ep' | 'eval_ep'> {
  return { ep, eval_ep: `[${ep}]` };
}

/** Returns the options of all runs: the options for the data set, overridden by `given` as in `overrideOptions`. */
export function mergedBase(
  ds: string,
  quick: boolean,
  given: Readonly<Record<string, unknown>>,
): Partial<RunConfig> {
  return overrideOptions(baseOf(ds, quick), given) as Partial<RunConfig>;
}

/** Returns the recipes of the papers for a data set. */
export function publishedRecipes(ds: string): readonly Recipe[] {
  return recipes.filter(({ paper, options }) => paper !== null && options.ds === ds);
}

/**
 * Plans the studies.
 * @param base - options of all runs
 * @param seeds - seeds of every setting
 */
export function planReproduction(
  grid: Grid,
  base: Readonly<Partial<RunConfig>>,
  seeds: readonly number[],
): Reproduction {
  const plan = (name: StudyName): StudyPlan => {
    const axes = Object.fromEntries(
      Object.entries(axesOf[grid][name]).map(([option, text]) => [
        option,
        parseAxis(option as AxisName, text),
      ]),
    );
    return makePlan({ axes, seeds, base });
  };
  return { temperature: plan('temperature'), 'lambda-c': plan('lambda-c'), head: plan('head') };
}

/** Returns the number of runs in all studies. */
export function runsOf(reproduction: Reproduction): number {
  return Object.values(reproduction).reduce((sum, { cells, seeds }) => sum + cells.length * seeds.length, 0);
}

/**
 * Returns the largest reproduction that fits the budget: reduces the number of seeds first, then the number of settings.
 * @param secondsPerRun - measured or known duration of a run, in seconds
 * @param budget - time limit in seconds; Infinity for no limit
 * @throws RangeError `ERR_HOROBALL_OPTION` naming the smallest budget that suffices
 */
export function fitBudget(
  base: Readonly<Partial<RunConfig>>,
  seeds: readonly number[],
  secondsPerRun: number,
  budget: number,
): { grid: Grid; seeds: readonly number[] } {
  const counts = Array.from({ length: seeds.length }, (_, i) => seeds.length - i).filter(
    (count) => count >= Math.min(fewestSeeds, seeds.length),
  );
  let needed = Number.POSITIVE_INFINITY;
  for (const grid of grids)
    for (const count of counts) {
      const kept = seeds.slice(0, count);
      needed = runsOf(planReproduction(grid, base, kept)) * secondsPerRun;
      if (needed <= budget) return { grid, seeds: kept };
    }
  const message = `[reproduce] budget: expected at least ${Math.ceil(needed / 60)} minutes, the time of the smallest set of runs on this machine, got ${budget / 60}. Increase the budget, or preview the report with --quick.`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}
