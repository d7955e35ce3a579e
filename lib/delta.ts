import {
  type AsyncOptions,
  type CallOptions,
  type Prepared,
  pause,
  runSteps,
  runStepsSync,
  type Steps,
} from './call.ts';
import { checkOptions, choice, deviceIndex, integer, threadCount } from './check.ts';
import { rangeError, shapeError } from './errors.ts';
import { range } from './integers.ts';
import { allocate, asMatrix, type Matrix, type Reals, rowsAt } from './matrix.ts';
import { core } from './native.ts';
import { type MetricOptions, preparePairwise } from './pairwise.ts';
import { random, shuffle } from './random.ts';

/** Options of {@link gromovDelta}. */
export interface DeltaOptions extends MetricOptions, CallOptions {
  /**
   * What the matrix holds. Default: `distances` where it looks like such (square, nowhere negative, and, to 1 % of its
   * largest number, symmetric with a diagonal of 0: distances from a Gram matrix are that rough), else `points`.
   */
  input?: 'points' | 'distances' | undefined;
  /** Rows of a random subset, 2 or more; default 2,000 or all where there are fewer. */
  size?: number | undefined;
  /** Random subsets; default 100 as published, or 1 (all rows, base point row 0) where `size` takes them all. */
  samples?: number | undefined;
  /** Names the subsets; default 0. */
  seed?: number | undefined;
}

/** How far a metric space is from a tree. */
export interface Delta {
  /** Gromov's delta from the base point (the subset's first row), mean over the subsets. */
  delta: number;
  /** `2 delta / diameter`, from 0 (a tree) to 1; mean over the subsets. */
  relative: number;
  /** `(0.144 / relative)^2`, the c that Khrulkov et al. (2020) suggest; Infinity for a tree. */
  suggestedC: number;
  /** Of `relative` over the subsets; 0 where all rows were taken once. */
  standardError: number;
}

const name = 'gromovDelta';

function* measure(input: Matrix, given?: DeltaOptions): Steps<Delta> {
  const options = checkOptions(name, given);
  const rows = asMatrix(name, 'x', input);
  const ready = givenDistances(rows, options.input);
  const { size, samples, whole } = plan(rows.rows, options);
  const seed = integer(name, 'seed', options.seed ?? 0, 0, 0xffffffff);
  let delta = 0;
  const relatives: number[] = [];
  for (let sample = 0; sample < samples; ++sample) {
    asMatrix(name, 'x', input); // may have been detached meanwhile
    const subset = whole ? undefined : draw(rows.rows, size, seed, sample);
    const distances = ready ? yield* among(rows, subset) : yield* between(rows, subset, options);
    yield* checkFinite(distances);
    const one = prepareDelta(distances, options);
    yield one;
    const found = one.finish();
    delta += found.delta / samples;
    relatives.push(found.diameter === 0 ? 0 : (2 * found.delta) / found.diameter);
  }
  const relative = relatives.reduce((sum, r) => sum + r, 0) / samples;
  const squares = relatives.reduce((sum, r) => sum + (r - relative) ** 2, 0);
  const standardError = samples === 1 ? 0 : Math.sqrt(squares / (samples - 1) / samples);
  return { delta, relative, suggestedC: (0.144 / relative) ** 2, standardError };
}

function givenDistances(x: Matrix, input: DeltaOptions['input']): boolean {
  if (input === undefined) return looksLikeDistances(x);
  const given = choice(name, 'input', input, ['points', 'distances']) === 1;
  if (given && x.rows !== x.cols) throw shapeError(name, 'x', 'a square matrix', `${x.rows} x ${x.cols}`);
  return given;
}

function looksLikeDistances({ data, rows, cols }: Matrix): boolean {
  if (rows !== cols) return false;
  let largest = 0;
  for (const value of data) largest = Math.max(largest, value);
  const slack = 0.01 * largest;
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j <= i; ++j) {
      const there = data[i * rows + j]!;
      const back = i === j ? 0 : data[j * rows + i]!;
      if (!(there >= 0 && back >= 0 && Math.abs(there - back) <= slack)) return false;
    }
  }
  return true;
}

function plan(rows: number, options: DeltaOptions): { size: number; samples: number; whole: boolean } {
  if (rows < 2) throw shapeError(name, 'x', 'at least 2 rows', String(rows));
  const size = integer(name, 'size', options.size ?? Math.min(rows, 2000), 2, rows);
  const whole = size === rows && (options.samples ?? 1) === 1;
  const samples = whole ? 1 : integer(name, 'samples', options.samples ?? 100, 1, 1_000_000);
  return { size, samples, whole };
}

/** Distinct rows in random order: the first is the base point. */
function draw(rows: number, size: number, seed: number, sample: number): Int32Array {
  const all = range(rows);
  return shuffle(random(seed, sample), all).subarray(0, size);
}

/** Distances between the rows of a subset of points. */
function* between(x: Matrix, subset: Int32Array | undefined, options: DeltaOptions): Steps<Matrix> {
  const { metric = 'euclidean', c, compat, threads, device } = options;
  const points = subset === undefined ? x : rowsAt(name, x, subset);
  const step = preparePairwise(name, points, undefined, { metric, c, compat, threads, device });
  yield step;
  return step.finish();
}

/** The rows and columns of a subset of distances, a few rows at a time. */
function* among(distances: Matrix, subset: Int32Array | undefined): Steps<Matrix> {
  if (subset === undefined) return distances;
  const n = subset.length;
  const out = allocate(name, distances.data, n * n);
  for (let i = 0; i < n; ++i) {
    const from = subset[i]! * distances.cols;
    for (let j = 0; j < n; ++j) out[i * n + j] = distances.data[from + subset[j]!]!;
    if (i % 256 === 255) {
      yield pause;
      asMatrix(name, 'x', distances);
    }
  }
  return { data: out, rows: n, cols: n };
}

/** A maximum passes NaN by: what has no distance would look like a tree. */
function* checkFinite({ data, rows, cols }: Matrix): Steps<void> {
  for (let i = 0; i < rows; ++i) {
    for (let at = i * cols; at < (i + 1) * cols; ++at) {
      if (!Number.isFinite(data[at])) throw rangeError(name, 'x', 'finite distances', data[at]);
    }
    if (i % 1024 === 1023) yield pause;
  }
}

function prepareDelta<T extends Reals>(
  distances: Matrix<T>,
  options: CallOptions,
): Prepared<{ delta: number; diameter: number }> {
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const delta = new Float64Array(1);
  const diameter = new Float64Array(1);
  const { data, rows, cols } = distances;
  return {
    start: (job) => core().delta(data, rows, cols, 0, delta, diameter, device, threads, job),
    finish: () => ({ delta: delta[0]!, diameter: diameter[0]! }),
  };
}

/** The type of {@link gromovDelta}. */
export interface GromovDelta {
  (x: Matrix, options?: DeltaOptions & AsyncOptions): Promise<Delta>;
  sync(x: Matrix, options?: DeltaOptions): Delta;
}

/**
 * Gromov's delta: how tree-like a set of points or a distance matrix is, and the curvature that this suggests.
 * `G_ij = (M_ip + M_jp - M_ij) / 2` from base point p, `delta = max_ij (max_k min(G_ik, G_kj) - G_ij)`. Up to
 * `size` rows exactly, more by random subsets with a standard error. The n^3 work needs n^2 memory.
 *
 * Points are compared by `|x - y|` unless `metric` says otherwise. Fournier, Ismail, Vigneron (2015) give the
 * product; Khrulkov et al., "Hyperbolic Image Embeddings" (2020), the use.
 *
 * @param x - points (n x d) or their distances (n x n, symmetric)
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const tree = [0, 2, 3, 2, 0, 3, 3, 3, 0]; // distances between three leaves
 * const { relative } = await gromovDelta(matrix(new Float64Array(tree), 3, 3));
 * relative; // => 0
 */
export const gromovDelta: GromovDelta = Object.assign(
  (x: Matrix, options?: DeltaOptions & AsyncOptions) =>
    runSteps(name, options?.signal, () => measure(x, options)),
  { sync: (x: Matrix, options?: DeltaOptions) => runStepsSync(name, measure(x, options)) },
);

/**
 * The c for which a Euclidean ball of the Poincare ball's radius `1/sqrt(c)` in `dim` dimensions has the volume
 * pi: `c = (gamma(dim/2 + 1) / pi^(dim/2 - 1))^(-2/dim)`, formed from logarithms so that no dimension overflows.
 *
 * @param dim - 1 or more
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * autoCurvature(2); // => 1
 */
export function autoCurvature(dim: number): number {
  const half = integer('autoCurvature', 'dim', dim, 1, Number.MAX_SAFE_INTEGER) / 2;
  return Math.exp((-2 / dim) * (logGamma(half + 1) - (half - 1) * Math.log(Math.PI)));
}

/** log gamma(x) for x > 0: Stirling's series, after stepping up to where seven terms give all digits. */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 15; ++x) shift += Math.log(x);
  const series = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  const tail = series.reduceRight((sum, term) => sum / (x * x) + term, 0) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail - shift;
}
