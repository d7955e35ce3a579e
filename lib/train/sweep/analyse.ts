import type { AxisName } from './axes.ts';
import { type Cell, hardNegatives, slopeMatched } from './plan.ts';
import { type Study, scoresOf } from './results.ts';
import { average, type Estimate, estimate, holm, pairedTest } from './statistics.ts';

export interface CellSummary {
  cell: Cell;
  scores: ReadonlyMap<number, number>;
  /** Over all seeds that it has. */
  estimate: Estimate;
  /** Runs that lost their numbers. */
  failed: number;
}

export interface ArmSummary {
  arm: string;
  cells: CellSummary[];
  /** The cell with the highest mean; a setting that failed for any seed cannot be it. Null while nothing is done. */
  best: CellSummary | null;
  /**
   * Recall at the arm's own best setting by seed, where the setting was chosen on the other seeds: a choice that is
   * judged by the numbers that it was made on looks better than it is.
   */
  heldOut: Map<number, number>;
}

/** `more` minus `less`, seed by seed, each at its own best setting. */
export interface Contrast {
  more: string;
  less: string;
  differences: number[];
  estimate: Estimate;
  /** Holm's correction over all contrasts of the study; NaN for fewer than three seeds. */
  p: number;
  verdict: 'difference' | 'none found' | 'too few seeds';
}

export interface Analysis {
  arms: ArmSummary[];
  contrasts: Contrast[];
  /** How much of what hyperbolic has over euclidean is left against each control. */
  survival: { control: string; effect: Contrast; left: Contrast }[];
}

/** The chance of any false claim in a study where nothing differs. */
export const level = 0.05;

/** Summarises a study, finished or not, by Recall@k. */
export function analyse(study: Study, k = '1'): Analysis {
  const names = [...new Set(study.plan.cells.map(({ arm }) => arm))];
  const arms = names.map((arm) => summarise(study, arm, k));
  const contrasts = compareAll(arms);
  const find = (one: string, other: string): Contrast | undefined =>
    contrasts
      .map((each) => (each.more === other ? flipped(each) : each))
      .find((each) => each.more === one && each.less === other);
  const effect = find('hyperbolic', 'euclidean');
  const survival = [slopeMatched, hardNegatives, 'chordal'].flatMap((control) => {
    const left = find('hyperbolic', control);
    return effect && left ? [{ control, effect, left }] : [];
  });
  return { arms, contrasts, survival };
}

function summarise(study: Study, arm: string, k: string): ArmSummary {
  const cells = study.plan.cells
    .filter((cell) => cell.arm === arm)
    .map((cell) => {
      const scores = scoresOf(cell, study.results, k);
      const failed = study.results.filter(
        (result) => result.cell === cell.id && result.spaces === null,
      ).length;
      return { cell, scores, estimate: estimate([...scores.values()]), failed };
    });
  const sound = cells.filter(({ scores, failed }) => scores.size > 0 && failed === 0);
  return { arm, cells, best: highest(sound), heldOut: heldOut(sound) };
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
  if (seeds.length === 1) return new Map(highest(cells)!.scores);
  const scoreAt = (seed: number): number => {
    const others = seeds.filter((other) => other !== seed);
    const meanOf = ({ scores }: CellSummary): number => average(others.map((other) => scores.get(other)!));
    return cells
      .reduce((best, cell) => (meanOf(cell) > meanOf(best) ? cell : best), first!)
      .scores.get(seed)!;
  };
  return new Map(seeds.map((seed) => [seed, scoreAt(seed)]));
}

const controls: readonly string[] = ['chordal', slopeMatched, hardNegatives];

/** All pairs; in a study with controls these stand against hyperbolic alone, as every further question costs certainty. */
function asked(arms: readonly ArmSummary[]): (readonly [ArmSummary, ArmSummary])[] {
  const pairs = arms.flatMap((one, i) => arms.slice(i + 1).map((other) => [one, other] as const));
  if (!arms.some(({ arm }) => arm === slopeMatched)) return pairs;
  return pairs.filter((pair) => {
    const count = pair.filter(({ arm }) => controls.includes(arm)).length;
    return count === 0 || (count === 1 && pair.some(({ arm }) => arm === 'hyperbolic'));
  });
}

function compareAll(arms: readonly ArmSummary[]): Contrast[] {
  const pairs = asked(arms);
  const raw = pairs.flatMap(([one, other]) => {
    const seeds = [...one.heldOut.keys()].filter((seed) => other.heldOut.has(seed));
    const differences = seeds.map((seed) => one.heldOut.get(seed)! - other.heldOut.get(seed)!);
    return differences.length === 0 ? [] : [{ more: one.arm, less: other.arm, differences }];
  });
  const ps = holm(raw.map(({ differences }) => pairedTest(differences)));
  return raw.map((contrast, i) => {
    const p = ps[i]!;
    const verdict = Number.isNaN(p) ? 'too few seeds' : p < level ? 'difference' : 'none found';
    const made: Contrast = { ...contrast, estimate: estimate(contrast.differences), p, verdict };
    return made.estimate.mean < 0 ? flipped(made) : made;
  });
}

function flipped({
  more,
  less,
  differences,
  estimate: { mean, low, high, ...rest },
  ...others
}: Contrast): Contrast {
  const mirrored = { ...rest, mean: -mean, low: -high, high: -low };
  return {
    ...others,
    more: less,
    less: more,
    differences: differences.map((value) => -value),
    estimate: mirrored,
  };
}

/** For each value of an option the best cell of an arm that has it, in the order of the values. */
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

/** The temperature by which a cell is placed: the one its geometry uses; of two the distance's. */
export function temperatureOf({ config }: Cell): number {
  return config.geometry === 'euclidean' ? config.t_e : config.t_h;
}

/** An option's value for a chart or a table. */
export function optionOf({ config }: Cell, name: AxisName): number | string {
  const value = config[name];
  return typeof value === 'number' ? value : String(value ?? 'none');
}
