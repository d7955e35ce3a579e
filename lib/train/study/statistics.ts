import { integer, random } from '../../random.ts';

/** A mean over seeds and its uncertainty. */
export interface Estimate {
  mean: number;
  /** Standard deviation over the seeds (n - 1); NaN for one seed. */
  deviation: number;
  /** Bounds of the confidence interval; NaN for one seed. */
  low: number;
  high: number;
  count: number;
}

/** Minimum number of seeds for an interval, and for a paired comparison with a p-value. */
export const fewestSeeds = 3;

const resamples = 10_000;
/** Up to this number of values, all resamples are enumerated (1,716 for seven values); for more values, they are sampled. */
const maxEnumerated = 7;
/**
 * Up to this number of values, means are resampled; the indices of all draws take 20 KB per value. For more values, the
 * mean is close to normally distributed, and resampling would take minutes in a study with thousands of seeds.
 */
export const maxResampled = 256;

/**
 * Returns the mean, standard deviation and confidence interval of independent values.
 *
 * The interval is the expanded percentile bootstrap interval (Hesterberg 2015, arXiv 1411.5279). The percentile interval is
 * too narrow by the factor sqrt((n-1)/n) and by the ratio of the normal to Student's quantile; for five seeds, its coverage is
 * 85% instead of the nominal 95% (expanded interval: 92%). Resampling is exhaustive or seeded, so that reports are
 * reproducible. For more than {@link maxResampled} values, the interval is Student's, its limit for many values.
 *
 * @param level - coverage of the interval, 0.95 by default
 */
export function estimate(values: readonly number[], level = 0.95): Estimate {
  const count = values.length;
  const mean = average(values);
  if (count < 2) return { mean, deviation: Number.NaN, low: Number.NaN, high: Number.NaN, count };
  const t = studentQuantile((1 + level) / 2, count - 1);
  if (count > maxResampled) {
    const spread = deviation(values);
    const half = (t * spread) / Math.sqrt(count);
    return { mean, deviation: spread, low: mean - half, high: mean + half, count };
  }
  const found = count <= maxEnumerated ? allResamples(values) : drawnResamples(values);
  const tail = 1 - normal(Math.sqrt(count / (count - 1)) * t);
  return {
    mean,
    deviation: deviation(values),
    low: quantile(found, tail),
    high: quantile(found, 1 - tail),
    count,
  };
}

/** Resamples in order of their means. */
interface Resamples {
  readonly means: readonly number[] | Float64Array;
  readonly probabilities: readonly number[] | Float64Array;
}

/** Enumerates all ways to draw n of n values with replacement, by the multiplicity of each value. */
function allResamples(values: readonly number[]): Resamples {
  const count = values.length;
  const found: [mean: number, probability: number][] = [];
  const draw = (at: number, left: number, sum: number, weight: number): void => {
    if (at === count - 1) {
      found.push([(sum + left * values[at]!) / count, weight / factorial(left)]);
      return;
    }
    for (let times = 0; times <= left; times++)
      draw(at + 1, left - times, sum + times * values[at]!, weight / factorial(times));
  };
  draw(0, count, 0, factorial(count) / count ** count);
  found.sort((x, y) => x[0] - y[0]);
  return { means: found.map(([mean]) => mean), probabilities: found.map(([, probability]) => probability) };
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}

const equal = new Float64Array(resamples).fill(1 / resamples);

function drawnResamples(values: readonly number[]): Resamples {
  const count = values.length;
  const draws = keptDraws(count);
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let k = i * count; k < (i + 1) * count; k++) sum += values[draws[k]!]!;
    means[i] = sum / count;
  }
  return { means: means.sort(), probabilities: equal };
}

let kept: { count: number; draws: Uint16Array } | null = null;

/**
 * Returns the indices of all draws from `count` values. The last list is kept, because a report estimates thousands of
 * settings with the same number of seeds, and drawing would take most of the time.
 */
function keptDraws(count: number): Uint16Array {
  if (kept?.count !== count) {
    const next = random(0x5eed, count);
    kept = { count, draws: Uint16Array.from({ length: resamples * count }, () => integer(next, count)) };
  }
  return kept.draws;
}

/** Returns the smallest mean whose cumulative probability is at least q. */
function quantile({ means, probabilities }: Resamples, q: number): number {
  let total = 0;
  for (let i = 0; i < means.length; i++) {
    total += probabilities[i]!;
    if (total >= q - 1e-12) return means[i]!;
  }
  return means.at(-1)!;
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Returns the sample standard deviation (with n - 1 in the denominator). */
export function deviation(values: readonly number[]): number {
  const mean = average(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Returns the two-sided p-value of Student's paired t-test of a mean difference of 0; NaN for fewer than three seeds. */
export function pairedTest(differences: readonly number[]): number {
  const count = differences.length;
  if (count < 3) return Number.NaN;
  const [mean, spread] = [average(differences), deviation(differences)];
  if (spread === 0) return mean === 0 ? 1 : 0;
  return 2 * (1 - student((Math.abs(mean) * Math.sqrt(count)) / spread, count - 1));
}

/**
 * Corrects p-values by Holm's step-down method (1979), which controls the family-wise error rate. NaN stays NaN and does
 * not count as a test.
 */
export function holm(ps: readonly number[]): number[] {
  const order = [...ps.keys()].filter((i) => !Number.isNaN(ps[i]!)).sort((a, b) => ps[a]! - ps[b]!);
  const adjusted = [...ps];
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, (order.length - rank) * ps[i]!));
    adjusted[i] = least;
  }
  return adjusted;
}

/** Returns the cumulative Student distribution at `t`, for an integer `df` (Abramowitz and Stegun 26.7.3 and 26.7.4). */
export function student(t: number, df: number): number {
  const angle = Math.atan(t / Math.sqrt(df));
  const [sin, square] = [Math.sin(angle), Math.cos(angle) ** 2];
  const odd = df % 2;
  let term = odd ? Math.cos(angle) : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = 2 + odd; k < df - 1; k += 2) {
    term *= ((k - 1) / k) * square;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (angle + sin * sum) : sin * sum;
  return (1 + within) / 2;
}

function studentQuantile(p: number, df: number): number {
  let [low, high] = [0, 1e3];
  for (let round = 0; round < 80; round++) {
    const middle = (low + high) / 2;
    if (student(middle, df) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Returns the cumulative normal distribution at `z` by its series (Marsaglia 2004), accurate to 1e-15 in the range used. */
export function normal(z: number): number {
  if (Math.abs(z) > 8) return z > 0 ? 1 : 0;
  let term = z;
  let sum = z;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
