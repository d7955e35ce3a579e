import test from 'ava';
import { random } from '../../../lib/random.ts';
import {
  estimate,
  holm,
  maxResampled,
  normal,
  pairedTest,
  student,
} from '../../../lib/train/study/statistics.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { statedError } from '../../tolerances.ts';

const near = (a: number, b: number, tolerance: number): boolean => Math.abs(a - b) <= tolerance;

/** Returns a generator of standard normal numbers (Box-Muller transform). */
function normals(...key: number[]): () => number {
  const next = random(...key);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

test("Student's t and the normal distribution agree with printed tables", (t) => {
  for (const [x, df, p] of [
    [12.706, 1, 0.975],
    [4.303, 2, 0.975],
    [2.776, 4, 0.975],
    [2.571, 5, 0.975],
    [3.365, 5, 0.99],
    [1.8125, 10, 0.95],
    [2.042, 30, 0.975],
  ] as const) {
    t.true(near(student(x, df), p, statedError.student), `${x} ${df}`);
    t.true(near(student(-x, df), 1 - p, statedError.student));
  }
  t.true(near(normal(1.959963985), 0.975, statedError.normal));
  t.true(near(normal(-3), 1.349898e-3, statedError.normal));
});

test('a paired test equals the formula, and is NaN for two seeds', (t) => {
  // mean 2, deviation 1.5811, t = 2.8284 with 4 degrees of freedom: p = 0.04742 (tables).
  t.true(near(pairedTest([0, 1, 2, 3, 4]), 0.04742, statedError.fiveDigits));
  t.is(pairedTest([1, 2]), Number.NaN);
  t.is(pairedTest([0, 0, 0]), 1);
});

test("the p values of Holm's correction never decrease from step to step", (t) => {
  t.deepEqual(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
  t.deepEqual(holm([0.5, 0.9]), [1, 1]);
  t.deepEqual(holm([Number.NaN, 0.02]), [Number.NaN, 0.02]);
});

test('estimates are reproducible, and NaN for a single value', (t) => {
  const values = [0.5, 0.52, 0.47, 0.55, 0.51];
  t.deepEqual(estimate(values), estimate(values));
  const { mean, low, high, deviation } = estimate(values);
  t.true(near(mean, 0.51, statedError.arithmetic) && near(deviation, 0.02915, statedError.fiveDigits));
  t.true(low < mean && mean < high && low >= 0.47 && high <= 0.55);
  t.true(Number.isNaN(estimate([0.5]).low));
});

test('the coverage of intervals is close to nominal', (t) => {
  const next = normals(7, 5);
  const coverage = (count: number, trials: number): number => {
    let inside = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { low, high } = estimate(Array.from({ length: count }, () => 3 + next()));
      if (low <= 3 && 3 <= high) inside += 1;
    }
    return inside / trials;
  };
  // The plain percentile interval of five values covers 85% and would fail.
  const few = coverage(5, 2000);
  t.true(few > 0.885 && few < 0.96, `${few}`);
  const many = coverage(12, 150);
  t.true(many > 0.88 && many < 0.995, `${many}`);
});

test("the interval of many values is Student's, close to that of resampling, and takes little time", (t) => {
  const next = normals(7, 6);
  const values = Array.from({ length: maxResampled + 1 }, () => next());
  const { mean, low, high, deviation } = estimate(values);
  const half = (1.96927 * deviation) / Math.sqrt(values.length); // t for 256 degrees of freedom
  t.true(near(low, mean - half, statedError.fiveDigits) && near(high, mean + half, statedError.fiveDigits));
  const resampled = estimate(values.slice(1));
  t.true(near((low - resampled.low) / half, 0, statedError.resampled));
  t.true(near((high - resampled.high) / half, 0, statedError.resampled));
  const many = Array.from({ length: 2000 }, () => next());
  const spent = startCpuClock();
  for (let i = 0; i < 50; i++) estimate(many);
  const ms = spent();
  t.true(ms < 1000, `${ms} ms`); // was 8 s
});
