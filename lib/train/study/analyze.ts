import { temperaturesOf } from '../options/options.ts';
import type { AxisName } from './axes.ts';
import {
  baseline,
  type Cell,
  chordControl,
  hardNegatives,
  type StudyPlan,
  slopeMatched,
  subject,
} from './plan.ts';
import { type Result, type Study, scoresOf } from './results.ts';
import { average, type Estimate, estimate, holm, pairedTest } from './statistics.ts';

/** The results of a cell: one setting, run with every seed. */
export interface CellSummary {
  cell: Cell;
  /** Recall by seed. */
  scores: ReadonlyMap<number, number>;
  /** Estimate of the mean over all finished seeds. */
  estimate: Estimate;
  /** Number of runs without a recall, mostly because of a non-finite loss. */
  failed: number;
}

/** The results of an arm: all cells with the same geometry or control. */
export interface ArmSummary {
  arm: string;
  cells: CellSummary[];
  /** The cell with the highest mean, excluding cells with a failed run. Null if no cell qualifies. */
  best: CellSummary | null;
  /**
   * For each seed, the recall of the cell that is best on the other seeds; with a single seed, of the best cell.
   * Selecting and evaluating a cell on the same seeds biases its recall upward.
   */
  heldOut: Map<number, number>;
}

/** A paired comparison of two arms: for each seed, the `heldOut` recall of `more` minus that of `less`. */
export interface Comparison {
  more: string;
  less: string;
  differences: number[];
  estimate: Estimate;
  /** p-value with Holm's correction over all contrasts of the study; NaN for fewer than three seeds. */
  p: number;
  verdict: 'difference' | 'none found' | 'too few seeds';
}

/** The analysis of a study. */
export interface Analysis {
  arms: ArmSummary[];
  contrasts: Comparison[];
  /** For each control: the effect (hyperbolic minus euclidean), and the remainder `left` (hyperbolic minus the control). */
  survival: { control: string; effect: Comparison; left: Comparison }[];
}

/** Family-wise significance level: the probability of any false positive in a study without true differences. */
export const level = 0.05;

/** Analyzes a complete or partial study by Recall@k. */
export function analyze(study: Study, k = '1'): Analysis {
  const names = [...new Set(study.plan.cells.map(({ arm }) => arm))];
  const results = new Map<string, Result[]>(study.plan.cells.map(({ id }) => [id, []]));
  for (const result of study.results) results.get(result.cell)?.push(result);
  const arms = names.map((arm) => summarize(study.plan, results, arm, k));
  const contrasts = compareAll(arms);
  const find = (one: string, other: string): Comparison | undefined =>
    contrasts
      .map((each) => (each.more === other ? flipped(each) : each))
      .find((each) => each.more === one && each.less === other);
  const effect = find(subject, baseline);
  const survival = [slopeMatched, hardNegatives, chordControl].flatMap((control) => {
    const left = find(subject, control);
    return effect && left ? [{ control, effect, left }] : [];
  });
  return { arms, contrasts, survival };
}

/**
 * Summarizes an arm by Recall@k.
 * @param results - by the id of their cell
 */
function summarize(
  plan: StudyPlan,
  results: ReadonlyMap<string, readonly Result[]>,
  arm: string,
  k: string,
): ArmSummary {
  const cells = plan.cells
    .filter((cell) => cell.arm === arm)
    .map((cell) => {
      const own = results.get(cell.id)!;
      const scores = scoresOf(cell, own, k);
      const failed = own.filter(({ spaces }) => spaces === null).length;
      return { cell, scores, estimate: estimate([...scores.values()]), failed };
    });
  const candidates = cells.filter(({ scores, failed }) => scores.size > 0 && failed === 0);
  return { arm, cells, best: highest(candidates), heldOut: heldOut(candidates) };
}

function highest(cells: readonly CellSummary[]): CellSummary | null {
  return cells.reduce<CellSummary | null>(
    (best, cell) => (best === null || cell.estimate.mean > best.estimate.mean ? cell : best),
    null,
  );
}

function heldOut(cells: readonly CellSummary[]): Map<number, number> {
  const [first, ...rest] = cells;
  const seeds = [...(first?.scores.keys() ?? [])].filter((seed) =>
    rest.every(({ scores }) => scores.has(seed)),
  );
  if (first === undefined || rest.length === 0) return new Map(first?.scores);
  if (seeds.length === 1) return new Map(highest(cells)!.scores);
  const meansWithout = meansFor(cells, seeds);
  const scoreAt = (seed: number): number => {
    const meanOf = meansWithout(seed);
    return cells
      .reduce((best, cell) => (meanOf(cell) > meanOf(best) ? cell : best), first!)
      .scores.get(seed)!;
  };
  return new Map(seeds.map((seed) => [seed, scoreAt(seed)]));
}

/**
 * From this number of seeds on, means are computed from one sum per cell, because a separate sum for each seed takes
 * quadratic time.
 */
const manySeeds = 100;

/** Returns a function from a seed to the mean of each cell over all other seeds. */
function meansFor(
  cells: readonly CellSummary[],
  seeds: readonly number[],
): (seed: number) => (cell: CellSummary) => number {
  if (seeds.length < manySeeds)
    return (seed) => {
      const others = seeds.filter((other) => other !== seed);
      return ({ scores }) => average(others.map((other) => scores.get(other)!));
    };
  const sums = new Map(
    cells.map((cell) => [cell, seeds.reduce((sum, seed) => sum + cell.scores.get(seed)!, 0)]),
  );
  return (seed) => (cell) => (sums.get(cell)! - cell.scores.get(seed)!) / (seeds.length - 1);
}

const controls: readonly string[] = [chordControl, slopeMatched, hardNegatives];

/** Returns the arms that are controls; `chordal` is one only in a study with controls. */
export function controlsAmong(arms: readonly string[]): string[] {
  return arms.includes(slopeMatched) ? arms.filter((arm) => controls.includes(arm)) : [];
}

/**
 * Returns all pairs, but pairs controls only with `subject`, because every comparison reduces the power of the others.
 */
function comparedPairs(arms: readonly ArmSummary[]): (readonly [ArmSummary, ArmSummary])[] {
  const pairs = arms.flatMap((one, i) => arms.slice(i + 1).map((other) => [one, other] as const));
  const among = controlsAmong(arms.map(({ arm }) => arm));
  return pairs.filter((pair) => {
    const count = pair.filter(({ arm }) => among.includes(arm)).length;
    return count === 0 || (count === 1 && pair.some(({ arm }) => arm === subject));
  });
}

function compareAll(arms: readonly ArmSummary[]): Comparison[] {
  const pairs = comparedPairs(arms);
  const raw = pairs.flatMap(([one, other]) => {
    const seeds = [...one.heldOut.keys()].filter((seed) => other.heldOut.has(seed));
    const differences = seeds.map((seed) => one.heldOut.get(seed)! - other.heldOut.get(seed)!);
    return differences.length === 0 ? [] : [{ more: one.arm, less: other.arm, differences }];
  });
  const ps = holm(raw.map(({ differences }) => pairedTest(differences)));
  return raw.map((contrast, i) => {
    const p = ps[i]!;
    const verdict = Number.isNaN(p) ? 'too few seeds' : p < level ? 'difference' : 'none found';
    const comparison: Comparison = { ...contrast, estimate: estimate(contrast.differences), p, verdict };
    return comparison.estimate.mean < 0 ? flipped(comparison) : comparison;
  });
}

function flipped({
  more,
  less,
  differences,
  estimate: { mean, low, high, ...rest },
  ...others
}: Comparison): Comparison {
  const mirrored = { ...rest, mean: -mean, low: -high, high: -low };
  return {
    ...others,
    more: less,
    less: more,
    differences: differences.map((value) => -value),
    estimate: mirrored,
  };
}

/** Returns the best cell of an arm for each value of an option; numeric values are in ascending order. */
export function profile(
  arm: ArmSummary,
  value: (cell: Cell) => number | string,
): [number | string, CellSummary][] {
  const groups = new Map<number | string, CellSummary[]>();
  for (const cell of arm.cells) {
    if (cell.scores.size === 0) continue;
    const at = value(cell.cell);
    groups.set(at, [...(groups.get(at) ?? []), cell]);
  }
  const found = [...groups].map(([at, cells]) => [at, highest(cells)!] as [number | string, CellSummary]);
  return found.sort(([a], [b]) => (typeof a === 'number' && typeof b === 'number' ? a - b : 0));
}

/** Returns the temperature of a cell for the x-axis: t_e or t_h, whichever the geometry uses; t_h if it uses both. */
export function temperatureOf({ config }: Cell): number {
  return config[temperaturesOf(config.geometry).at(-1)!];
}

/** Returns the value of an option for a chart or table. */
export function optionOf({ config }: Cell, name: AxisName): number | string {
  const value = config[name];
  return typeof value === 'number' ? value : String(value ?? 'none');
}
