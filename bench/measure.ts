// Timing in alternation. tinybench and mitata were not used: they time one task after the other, and a ratio between
// two processes holds only when both take turns within milliseconds of each other.
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

/** Something that can be called for about `budgetMs` and says how many ms single calls took. */
export interface Player {
  /** @param least - calls to make whatever the budget; default 1 */
  sample(budgetMs: number, least?: number): number[] | Promise<number[]>;
}

/** One number a round, undefined where the side sat out. */
export type Rounds = readonly (number | undefined)[];

/** A median, and how far another run's may be from it. */
export interface Figure {
  readonly median: number;
  /** Half the distance between the 10th and 90th percentiles, relative to the median. */
  readonly slack: number;
  /** The same, widened for what few rounds do not show; NaN of one round, which shows nothing. */
  readonly spread: number;
}

/** Student's 99.5 % quantile for 2, 3, ... values over the normal 97.5 % one: what 99 of 100 runs should find. */
const widening = [32.5, 5.06, 2.98, 2.35, 2.06, 1.89, 1.79, 1.71, 1.66, 1.62, 1.58, 1.56, 1.54, 1.52, 1.5];

/** How long and how often. */
export interface Plan {
  /** Turns of a fast side. */
  readonly rounds: number;
  /** Turns of a side whose single call takes longer than `slowMs`. */
  readonly slowRounds: number;
  readonly slowMs: number;
  /** Milliseconds of a turn. */
  readonly turnMs: number;
  /** Pause before a turn, in which the other side's spinning threads go to sleep. */
  readonly settleMs: number;
}

export const standard: Plan = { rounds: 9, slowRounds: 3, slowMs: 120, turnMs: 25, settleMs: 4 };

/** What a turn reads: the wall's clock, or (for one thread on a busy machine) the processor time of the process. */
export type Clock = 'wall' | 'cpu';

/** Milliseconds since some moment, and the shortest stretch worth reading off. */
const clocks: Record<Clock, { readonly now: () => number; readonly grainMs: number }> = {
  wall: { now: () => performance.now(), grainMs: 0.05 },
  cpu: { now: processorMs, grainMs: 1 },
};

/** Reads a clock, in milliseconds since some moment. */
export function clockOf(clock: Clock): () => number {
  return clocks[clock].now;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A player in this process. Calls shorter than the clock's grain are timed several at once. */
export function local(run: () => unknown, clock: Clock = 'wall'): Player {
  const { now, grainMs } = clocks[clock];
  const elapsed = (calls: number) => {
    const start = now();
    for (let call = 0; call < calls; ++call) run();
    return (now() - start) / calls;
  };
  return {
    sample(budgetMs) {
      const once = elapsed(1);
      if (once >= budgetMs) return [once];
      const batch = Math.max(1, Math.ceil(grainMs / Math.max(once, 1e-5)));
      const times: number[] = [];
      const end = now() + budgetMs - once;
      do times.push(elapsed(batch));
      while (now() < end);
      return times;
    },
  };
}

/** A call of so many times `slowMs` is not taken for a fast one that had to wake up: it is a round already. */
const verySlow = 3;

/** Lets the sides take turns, forward and backward by turns; gives each side's rounds. */
export async function alternate(players: readonly Player[], plan: Plan = standard): Promise<Rounds[]> {
  const strides: number[] = [];
  const results: (number | undefined)[][] = [];
  for (const player of players) {
    const warm = median(await player.sample(0));
    // Whoever takes long has been called before, when its answer was checked (but for plans in which all are slow).
    const isSlow = plan.slowMs > 0 && warm >= verySlow * plan.slowMs;
    const again = warm >= plan.slowMs && !isSlow ? median(await player.sample(0)) : warm;
    strides.push(again < plan.slowMs ? 1 : Math.floor((plan.rounds - 1) / (plan.slowRounds - 1)));
    results.push(isSlow ? [warm] : []);
  }
  for (let round = 0; round < plan.rounds; ++round) {
    const order = players.map((_, i) => (round % 2 === 0 ? i : players.length - 1 - i));
    for (const i of order) {
      if (round % strides[i]! !== 0 || results[i]![round] !== undefined) continue;
      await setTimeout(plan.settleMs);
      results[i]![round] = steady(await players[i]!.sample(plan.turnMs));
    }
  }
  return results;
}

/** The median of a turn; its first call woke threads and caches. */
function steady(times: readonly number[]): number {
  return median(times.length > 2 ? times.slice(1) : times);
}

/** Median and spreads of what was measured. */
export function figure(rounds: Rounds): Figure {
  const values = rounds.filter((value) => value !== undefined);
  const middle = quantile(values, 0.5);
  const slack = (quantile(values, 0.9) - quantile(values, 0.1)) / 2 / middle;
  const widened = values.length < 2 ? Number.NaN : (widening[values.length - 2] ?? widening.at(-1)!);
  return { median: middle, slack, spread: slack * widened };
}

/** `a / b` round by round, where both played. */
export function ratio(a: Rounds, b: Rounds): Figure {
  return figure(
    a.map((value, round) => {
      const other = b[round];
      return value === undefined || other === undefined ? undefined : value / other;
    }),
  );
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear interpolation between order statistics; NaN of nothing. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = at * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** The slope of log y over log x by least squares: 2 where y grows as x squared. */
export function exponent(xs: readonly number[], ys: readonly number[]): number {
  const u = xs.map(Math.log);
  const v = ys.map(Math.log);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mu, mv] = [mean(u), mean(v)];
  const top = u.reduce((sum, value, i) => sum + (value - mu) * (v[i]! - mv), 0);
  return top / u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
}
