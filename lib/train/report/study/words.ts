import type { Analysis, ArmSummary, CellSummary } from '../../study/analyze.ts';
import { type Estimate, fewestSeeds } from '../../study/statistics.ts';
import { counted } from '../run/extent.ts';
import { percent } from '../tables.ts';

/** Formats a difference of shares in percentage points, with its sign. */
export function points(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const rounded = (100 * value).toFixed(1);
  return value < 0 ? rounded.replace('-', '−') : `+${rounded}`;
}

/** Formats an interval as `60.1 to 63.4`; a dash for a single seed. */
export function interval({ low, high }: Pick<Estimate, 'low' | 'high'>): string {
  if (!Number.isFinite(low)) return '–';
  const text = (value: number): string => percent(value).replace('-', '−');
  return `${text(low)} to ${text(high)}`;
}

/** Returns the largest number of finished seeds of any setting. */
export function finishedSeeds(arms: readonly ArmSummary[]): number {
  return Math.max(0, ...arms.flatMap(({ cells }) => cells.map(({ estimate }) => estimate.count)));
}

/** Returns the heading of intervals. Those of two seeds are ranges, because their bounds are the values of the seeds. */
export function intervalName(seeds: number): string {
  return seeds < fewestSeeds ? 'range over seeds' : '95% interval';
}

const caveat =
  'Too few seeds have finished to distinguish differences from chance; at least three are needed.';

const same = (one: number, other: number): boolean => Math.abs(one - other) < 1e-9;

/** Joins words or clauses: `a, b and c`. */
function listOf(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** States the highest recall and any ties, which are common with small test sets. */
function leadText(first: ArmSummary, done: readonly ArmSummary[], alone: boolean): string {
  const { cell, estimate } = first.best!;
  const share = `${percent(estimate.mean)}%`;
  const highest = (all: readonly CellSummary[]): number =>
    all.filter((each) => each.failed === 0 && same(each.estimate.mean, estimate.mean)).length;
  const settings = done.flatMap(({ cells }) => cells).filter((each) => Number.isFinite(each.estimate.mean));
  if (settings.length > 1 && highest(settings) === settings.length)
    return `All ${settings.length} settings tie at ${share}.`;
  const tied = done.filter(({ best }) => same(best!.estimate.mean, estimate.mean)).map(({ arm }) => arm);
  if (tied.length > 1) return `${listOf(tied)} tie at ${share}.`;
  const more = highest(first.cells) - 1;
  const others = more === 0 ? '' : `, tied with ${counted(more, `other ${first.arm} setting`)}`;
  const at = `${share} at ${cell.label}${others}`;
  return alone ? `${first.arm} reaches ${at}.` : `Highest: ${first.arm}, ${at}.`;
}

/** Explains why no setting can be ranked. */
function unrankedText(arms: readonly ArmSummary[]): string {
  const cells = arms.flatMap((arm) => arm.cells);
  if (cells.every(({ failed }) => failed === 0)) return 'No run has finished yet.';
  return cells.every(({ failed }) => failed > 0)
    ? 'No setting can be ranked, because each has a failed run.'
    : 'No setting can be ranked yet, because each setting that has been run has a failed run.';
}

/**
 * Summarizes the study in one to three sentences.
 *
 * @param where - where the reader finds all differences
 */
export function verdictText(
  { arms, contrasts }: Analysis,
  where: 'below' | 'in the report' = 'below',
): string {
  const done = arms.filter(({ best }) => best !== null);
  if (done.length === 0) return unrankedText(arms);
  const [first] = [...done].sort((a, b) => b.best!.estimate.mean - a.best!.estimate.mean);
  const lead = leadText(first!, done, contrasts.length === 0);
  if (contrasts.length === 0) {
    const settings = done.reduce((count, { cells }) => count + cells.length, 0);
    return settings > 1 && finishedSeeds(done) < fewestSeeds ? `${lead} ${caveat}` : lead;
  }
  const found = contrasts.filter(({ verdict }) => verdict === 'difference');
  const few = contrasts.every(({ verdict }) => verdict === 'too few seeds');
  if (few) return `${lead} ${caveat}`;
  if (found.length === 0) return `${lead} No difference between the geometries is statistically significant.`;
  const ofFirst = found.filter(({ more }) => more === first!.arm);
  const said = (ofFirst.length > 0 ? ofFirst : found).slice(0, 3);
  const claims = said.map(
    ({ more, less, estimate }) => `${more} is ${percent(estimate.mean)} points above ${less}`,
  );
  const rest = found.length - said.length;
  const others =
    rest === 0 ? '' : ` ${rest} more ${rest === 1 ? 'difference is' : 'differences are'} listed ${where}.`;
  return `${lead} With the setting for each seed chosen on the remaining seeds, ${listOf(claims)}.${others}`;
}
