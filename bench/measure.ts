// Times the sides of a benchmark (horoball and its peers) in alternation. tinybench and mitata time one task after the
// other, but a ratio between two processes is only valid if both alternate within milliseconds.
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

/** A side that runs for about `budgetMs` and returns the milliseconds of single calls. */
export interface TimedSide {
  /** @param least - minimum number of calls, regardless of the budget; default 1 */
  sample(budgetMs: number, least?: number): number[] | Promise<number[]>;
}

/** One number per round, undefined if the side skipped it. */
export type Rounds = readonly (number | undefined)[];

/** A median, and how far the median of another run may deviate. */
export interface Figure {
  readonly median: number;
  /**
   * Half the distance between the 10th and 90th percentiles, relative to the median and widened for the uncertainty of few
   * rounds; NaN for a single round.
   */
  readonly spread: number;
}

/**
 * Student's 99.5% quantile for 2, 3, ... values, divided by the normal 97.5% quantile. A widened spread covers 99 of
 * 100 runs.
 */
const widening = [32.5, 5.06, 2.98, 2.35, 2.06, 1.89, 1.79, 1.71, 1.66, 1.62, 1.58, 1.56, 1.54, 1.52, 1.5];

/** Time budget and number of rounds. */
export interface Plan {
  /** Rounds of a fast side. */
  readonly rounds: number;
  /** Rounds of a side whose single call takes longer than `slowMs`. */
  readonly slowRounds: number;
  readonly slowMs: number;
  /** Milliseconds per round of a side. */
  readonly turnMs: number;
  /**
   * Pause before a side's round, during which the spinning threads of the previous side go to sleep; those of OpenBLAS take
   * over 20 ms.
   */
  readonly settleMs: number;
}

export const standard: Plan = { rounds: 9, slowRounds: 3, slowMs: 120, turnMs: 25, settleMs: 30 };

/** The clock: wall time or, for one thread on a busy machine, CPU time of the process. */
export type Clock = 'wall' | 'cpu';

/** For each clock, a function that reads it in milliseconds, and the shortest call that is timed on its own. */
const clocks: Record<Clock, { readonly now: () => number; readonly grainMs: number }> = {
  wall: { now: () => performance.now(), grainMs: 0.05 },
  cpu: { now: processorMs, grainMs: 1 },
};

/** Returns a function that reads a clock, in milliseconds since an arbitrary start. */
export function clockOf(clock: Clock): () => number {
  return clocks[clock].now;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Returns a side in this process. Calls shorter than `grainMs` of the clock are timed in groups. */
export function local(run: () => unknown, clock: Clock = 'wall'): TimedSide {
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

/** A call longer than this multiple of `slowMs` cannot be a fast call with a cold start, so it counts as a round. */
const verySlow = 3;

/** Callbacks that report the progress of an alternation, and a signal that ends it early. */
export interface Following {
  /** Called before each round of a side, and before its warm-up, with `round` 0. */
  readonly onTurn?: (turn: { side: number; round: number; rounds: number }) => void;
  /** Called after each round with what has been measured so far. */
  readonly onRound?: (rounds: readonly Rounds[]) => void | Promise<void>;
  /** Ends the alternation after the current side's round; what has been measured is returned. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs the sides in alternation, in forward and reverse order, and returns each side's rounds. */
export async function alternate(
  timedSides: readonly TimedSide[],
  plan: Plan = standard,
  { onTurn, onRound, signal }: Following = {},
): Promise<Rounds[]> {
  const strides: number[] = [];
  const results: (number | undefined)[][] = [];
  for (const [side, timed] of timedSides.entries()) {
    if (signal?.aborted) return timedSides.map((_, i) => results[i] ?? []);
    onTurn?.({ side, round: 0, rounds: plan.rounds });
    const warm = median(await timed.sample(0));
    // A very slow side counts as warm, because the check of its answer has already run it. With `slowMs` 0, no side does.
    const isSlow = plan.slowMs > 0 && warm >= verySlow * plan.slowMs;
    const again = warm >= plan.slowMs && !isSlow ? median(await timed.sample(0)) : warm;
    strides.push(again < plan.slowMs ? 1 : Math.floor((plan.rounds - 1) / (plan.slowRounds - 1)));
    results.push(isSlow ? [warm] : []);
  }
  for (let round = 0; round < plan.rounds; ++round) {
    const order = timedSides.map((_, i) => (round % 2 === 0 ? i : timedSides.length - 1 - i));
    for (const i of order) {
      if (round % strides[i]! !== 0 || results[i]![round] !== undefined) continue;
      if (signal?.aborted) return results;
      onTurn?.({ side: i, round: round + 1, rounds: plan.rounds });
      await setTimeout(plan.settleMs);
      results[i]![round] = steady(await timedSides[i]!.sample(plan.turnMs));
    }
    await onRound?.(results);
  }
  return results;
}

/** Returns the median of a round; of more than two calls, the first is ignored, because it warms threads and caches. */
function steady(times: readonly number[]): number {
  return median(times.length > 2 ? times.slice(1) : times);
}

/** Returns the median and the spread of the measured values. */
export function figure(rounds: Rounds): Figure {
  const values = rounds.filter((value) => value !== undefined);
  const middle = quantile(values, 0.5);
  const half = (quantile(values, 0.9) - quantile(values, 0.1)) / 2 / middle;
  const widened = values.length < 2 ? Number.NaN : (widening[values.length - 2] ?? widening.at(-1)!);
  return { median: middle, spread: half * widened };
}

/** Returns `a / b` per round, for rounds in which both sides were measured. */
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

/** Returns a quantile by linear interpolation between order statistics; NaN for an empty list. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = at * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** Returns the slope of log y over log x by least squares: 2 if y grows as x squared. */
export function exponent(xs: readonly number[], ys: readonly number[]): number {
  const u = xs.map(Math.log);
  const v = ys.map(Math.log);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mu, mv] = [mean(u), mean(v)];
  const top = u.reduce((sum, value, i) => sum + (value - mu) * (v[i]! - mv), 0);
  return top / u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
}
