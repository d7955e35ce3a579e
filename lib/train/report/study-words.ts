import type { Analysis, ArmSummary, CellSummary } from '../sweep/analyse.ts';
import type { Estimate } from '../sweep/statistics.ts';
import { percent } from './tables.ts';

/** A difference of shares in percentage points, with its sign. */
export function points(value: number): string {
  if (Number.isNaN(value)) return '–';
  const rounded = (100 * value).toFixed(1);
  return value < 0 ? rounded.replace('-', '−') : `+${rounded}`;
}

/** `60.1 to 63.4`; a dash where one seed tells nothing. */
export function interval({ low, high }: Pick<Estimate, 'low' | 'high'>): string {
  if (Number.isNaN(low)) return '–';
  const text = (value: number): string => percent(value).replace('-', '−');
  return `${text(low)} to ${text(high)}`;
}

const same = (one: number, other: number): boolean => Math.abs(one - other) < 1e-9;

/** The highest recall and who has it. Small test sets make ties: to name one of several would be a claim. */
function leadText(first: ArmSummary, done: readonly ArmSummary[], alone: boolean): string {
  const { cell, estimate } = first.best!;
  const share = `${percent(estimate.mean)} %`;
  const highest = (all: readonly CellSummary[]): number =>
    all.filter((each) => each.failed === 0 && same(each.estimate.mean, estimate.mean)).length;
  const settings = done.flatMap(({ cells }) => cells).filter((each) => Number.isFinite(each.estimate.mean));
  if (settings.length > 1 && highest(settings) === settings.length)
    return `A tie: all ${settings.length} settings reach ${share}.`;
  const tied = done.filter(({ best }) => same(best!.estimate.mean, estimate.mean)).map(({ arm }) => arm);
  if (tied.length > 1) return `A tie: ${tied.slice(0, -1).join(', ')} and ${tied.at(-1)} reach ${share}.`;
  const more = highest(first.cells) - 1;
  const others = more === 0 ? '' : `, in a tie with ${more} more of its settings`;
  const at = `${share} at ${cell.label}${others}`;
  return alone ? `${first.arm} reaches ${at}.` : `Highest: ${first.arm}, ${at}.`;
}

/** The study in a sentence or two. */
export function verdictText({ arms, contrasts }: Analysis): string {
  const done = arms.filter(({ best }) => best !== null);
  if (done.length === 0) return 'No run is finished yet.';
  const [first] = [...done].sort((a, b) => b.best!.estimate.mean - a.best!.estimate.mean);
  const lead = leadText(first!, done, contrasts.length === 0);
  if (contrasts.length === 0) return lead;
  const found = contrasts.filter(({ verdict }) => verdict === 'difference');
  const few = contrasts.every(({ verdict }) => verdict === 'too few seeds');
  if (few) return `${lead} Too few seeds are finished to tell differences from chance; it takes three.`;
  if (found.length === 0)
    return `${lead} No difference between the geometries is larger than chance would make it.`;
  const ofFirst = found.filter(({ more }) => more === first!.arm);
  const said = (ofFirst.length > 0 ? ofFirst : found).slice(0, 3);
  const claims = said.map(
    ({ more, less, estimate }) => `${more} is ${percent(estimate.mean)} points above ${less}`,
  );
  const rest = found.length - said.length;
  const others =
    rest === 0 ? '' : ` ${rest} more ${rest === 1 ? 'difference is' : 'differences are'} listed below.`;
  return `${lead} At their own best temperatures ${claims.join(', ')}.${others}`;
}
