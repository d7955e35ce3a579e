import { delta as callDelta } from './call/binding-calls.ts';
import {
  type AsyncOptions,
  type CallOptions,
  type Prepared,
  runSteps,
  runStepsSync,
  type Steps,
} from './call/run.ts';
import { gatherRows, inSlices, range } from './call/slices.ts';
import {
  callNames,
  checkCallback,
  checkOptions,
  choice,
  deviceIndex,
  integer,
  metricNames,
  threadCount,
} from './check.ts';
import { rangeError, shapeError } from './errors.ts';
import { allocate, asMatrix, checkAttached, type Matrix, type Reals } from './matrix.ts';
import { core } from './native.ts';
import {
  type AnyMetricOptions,
  type CurvedMetric,
  type CurvedMetricOptions,
  type FlatMetric,
  type FlatMetricOptions,
  preparePairwise,
} from './pairwise.ts';
import { random, shuffle } from './random.ts';

/** Options of {@link gromovDelta}. */
export type DeltaOptions = DeltaMetricOptions & CallOptions & DeltaParameters;

/** Like `MetricOptions`, but the default metric is `'euclidean'`. */
export type DeltaMetricOptions =
  | (Omit<CurvedMetricOptions, 'metric'> & { metric: CurvedMetric })
  | (Omit<FlatMetricOptions, 'metric'> & { metric?: FlatMetric | undefined });

/** Parameters of {@link gromovDelta} besides the metric. */
export interface DeltaParameters {
  /**
   * Contents of the matrix. Default: `distances` if the matrix is square, nonnegative, and symmetric with a zero diagonal;
   * otherwise `points`. The tolerance is 1% of the largest element, because distances from a Gram matrix can be that
   * inaccurate.
   */
  input?: 'points' | 'distances' | undefined;
  /** Rows per random subset, 2 or more; default 2,000, or all if there are fewer. */
  size?: number | undefined;
  /** Number of random subsets; default 100 as published, or 1 (all rows, base point row 0) if `size` covers all rows. */
  samples?: number | undefined;
  /** Seed of the subsets; default 0. */
  seed?: number | undefined;
  /** Called after each subset. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The Gromov delta of a set of points: how far its metric is from a tree metric. */
export interface Delta {
  /** Gromov delta with respect to the base point (the subset's first row), averaged over the subsets. */
  delta: number;
  /** `2 delta / diameter`, from 0 (a tree) to 1, averaged over the subsets. */
  relative: number;
  /** `(0.144 / relative)^2`, the c that Khrulkov et al. (2020) suggest; Infinity for a tree. */
  suggestedC: number;
  /** Standard error of `relative` over the subsets; 0 for a single subset. */
  standardError: number;
}

const name = 'gromovDelta';
const deltaNames = ['input', 'size', 'samples', 'seed', 'onProgress'];
const known: ReadonlySet<string> = new Set([...metricNames, ...callNames, ...deltaNames]);

function* measure(input: Matrix, given?: DeltaOptions): Steps<Delta> {
  const {
    input: kind,
    size: wanted,
    samples: count,
    seed: number,
    onProgress,
    ...rest
  } = checkOptions(name, given, 'options', known);
  checkCallback(name, 'onProgress', onProgress);
  const { metric = 'euclidean', c, compat, threads, device } = rest;
  const options = { metric, c, compat, threads, device };
  const rows = asMatrix(name, 'x', input);
  const ready = yield* givenDistances(rows, kind);
  const { size, samples, whole } = plan(rows.rows, wanted, count);
  const seed = integer(name, 'seed', number ?? 0, 0, 0xffffffff);
  let delta = 0;
  const relatives: number[] = [];
  for (let sample = 0; sample < samples; ++sample) {
    asMatrix(name, 'x', rows); // throws if its buffer was detached during a pause
    const subset = whole ? undefined : yield* draw(rows.rows, size, seed, sample);
    const distances = ready
      ? yield* submatrix(rows, subset)
      : yield* distancesOfPoints(rows, subset, options);
    const { scaled, scale } = yield* inRange(distances, yield* largestOf(distances));
    const one = prepareDelta(scaled, options);
    yield one;
    const found = one.finish();
    delta += (found.delta * scale) / samples;
    relatives.push(found.diameter === 0 ? 0 : (2 * found.delta) / found.diameter);
    onProgress?.(sample + 1, samples);
  }
  const relative = relatives.reduce((sum, r) => sum + r, 0) / samples;
  const squares = relatives.reduce((sum, r) => sum + (r - relative) ** 2, 0);
  const standardError = samples === 1 ? 0 : Math.sqrt(squares / (samples - 1) / samples);
  return { delta, relative, suggestedC: (0.144 / relative) ** 2, standardError };
}

function* givenDistances(x: Matrix, input: DeltaParameters['input']): Steps<boolean> {
  if (input === undefined) return yield* looksLikeDistances(x);
  const given = choice(name, 'input', input, ['points', 'distances']) === 1;
  if (given && x.rows !== x.cols) throw shapeError(name, 'x', 'a square matrix', `${x.rows} x ${x.cols}`);
  return given;
}

function* looksLikeDistances({ data, rows, cols }: Matrix): Steps<boolean> {
  if (rows !== cols) return false;
  let largest = 0;
  yield* inSlices(data.length, (begin, end) => {
    for (let at = begin; at < end; ++at) largest = Math.max(largest, data[at]!);
  });
  const slack = 0.01 * largest;
  let isDistanceMatrix = true;
  for (let i = 0; i < rows && isDistanceMatrix; ++i) {
    yield* inSlices(i + 1, (begin, end) => {
      for (let j = begin; j < end && isDistanceMatrix; ++j) {
        const upper = data[i * rows + j]!;
        const lower = i === j ? 0 : data[j * rows + i]!;
        isDistanceMatrix = upper >= 0 && lower >= 0 && Math.abs(upper - lower) <= slack;
      }
    });
  }
  return isDistanceMatrix;
}

function plan(
  rows: number,
  wanted: number | undefined,
  count: number | undefined,
): { size: number; samples: number; whole: boolean } {
  if (rows < 2) throw shapeError(name, 'x', 'at least 2 rows', String(rows));
  const size = integer(name, 'size', wanted ?? Math.min(rows, 2000), 2, rows);
  const whole = size === rows && (count ?? 1) === 1;
  const samples = whole ? 1 : integer(name, 'samples', count ?? 100, 1, 1_000_000);
  return { size, samples, whole };
}

/** Draws distinct row numbers in random order; the first is the base point. */
function* draw(rows: number, size: number, seed: number, sample: number): Steps<Int32Array> {
  const all = yield* range(rows);
  const next = random(seed, sample);
  yield* inSlices(rows, (begin, end) => {
    shuffle(next, all, rows - begin, rows - end);
  });
  return all.subarray(0, size);
}

/** Returns the distances between the rows of a subset of points. */
function* distancesOfPoints(
  x: Matrix,
  subset: Int32Array | undefined,
  options: AnyMetricOptions & CallOptions,
): Steps<Matrix> {
  const points = subset === undefined ? x : yield* gatherRows(name, 'x', x, subset);
  const step = preparePairwise(name, points, undefined, options);
  yield step;
  return step.finish();
}

/** Returns the distances between the rows of a subset, from a distance matrix. */
function* submatrix(distances: Matrix, subset: Int32Array | undefined): Steps<Matrix> {
  if (subset === undefined) return distances;
  const n = subset.length;
  const out = allocate(name, distances.data, n * n);
  for (let i = 0; i < n; ++i) {
    const from = subset[i]! * distances.cols;
    yield* inSlices(n, (begin, end) => {
      for (let j = begin; j < end; ++j) out[i * n + j] = distances.data[from + subset[j]!]!;
    });
    asMatrix(name, 'x', distances); // throws if its buffer was detached during a pause
  }
  return { data: out, rows: n, cols: n };
}

/**
 * Returns the largest distance. Throws for one that is not finite: a maximum ignores NaN, so points without a distance would
 * look like a tree.
 */
function* largestOf({ data }: Matrix): Steps<number> {
  let largest = 0;
  yield* inSlices(data.length, (begin, end) => {
    for (let at = begin; at < end; ++at) {
      if (!Number.isFinite(data[at])) throw rangeError(name, 'x', 'finite distances', data[at]);
      largest = Math.max(largest, Math.abs(data[at]!));
    }
  });
  return largest;
}

/** If the largest distance is in this range, sums of two distances do not overflow, and their halves are exact. */
const [smallest, greatest] = [2 ** -64, 2 ** 64];

/** Divides extremely large or small distances by a power of 2, the scale. */
function* inRange<T extends Reals>(
  distances: Matrix<T>,
  largest: number,
): Steps<{ scaled: Matrix<T>; scale: number }> {
  if (largest === 0 || (largest >= smallest && largest <= greatest)) return { scaled: distances, scale: 1 };
  const scale = 2 ** Math.floor(Math.log2(largest));
  const data = allocate(name, distances.data, distances.rows * distances.cols);
  yield* inSlices(data.length, (begin, end) => {
    checkAttached(name, 'x', distances);
    for (let at = begin; at < end; ++at) data[at] = distances.data[at]! / scale;
  });
  return { scaled: { ...distances, data }, scale };
}

function prepareDelta<T extends Reals>(
  distances: Matrix<T>,
  options: CallOptions,
): Prepared<{ delta: number; diameter: number }> {
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const delta = new Float64Array(1);
  const diameter = new Float64Array(1);
  return {
    start: (job) => callDelta(core(), { distances, base: 0, delta, diameter, device, threads, job }),
    finish: () => ({ delta: delta[0]!, diameter: diameter[0]! }),
  };
}

/** The type of {@link gromovDelta}. */
export interface GromovDelta {
  (x: Matrix, options?: DeltaOptions & AsyncOptions): Promise<Delta>;
  sync(x: Matrix, options?: DeltaOptions): Delta;
}

/**
 * Computes the Gromov delta, which measures how tree-like a set of points or a distance matrix is, and the c that this
 * delta suggests. For distances M and base point p, `G_ij = (M_ip + M_jp - M_ij) / 2` and `delta = max_ij (max_k
 * min(G_ik, G_kj) - G_ij)`. The result is exact for up to `size` rows; for more, it is an average over random subsets,
 * with its standard error. O(n^3) time, O(n^2) memory.
 *
 * Points are compared by `|x - y|` unless `metric` is given. The computation by a (max, min) matrix product is from
 * Fournier, Ismail, Vigneron (2015), its use for embeddings from Khrulkov et al., "Hyperbolic Image Embeddings" (2020).
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
  { sync: (x: Matrix, options?: DeltaOptions) => runStepsSync(name, measure(x, options), options?.signal) },
);

/**
 * Returns the c for which a Euclidean ball of radius `1/sqrt(c)`, the radius of the Poincaré ball, has volume pi in
 * `dim` dimensions: `c = (gamma(dim/2 + 1) / pi^(dim/2 - 1))^(-2/dim)`, computed from logarithms, which do not overflow
 * in high dimensions.
 *
 * @param dim - dimension of the embeddings, 1 or more
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * autoCurvature(2); // => 1
 */
export function autoCurvature(dim: number): number {
  const half = integer('autoCurvature', 'dim', dim, 1, Number.MAX_SAFE_INTEGER) / 2;
  return Math.exp((-2 / dim) * (logGamma(half + 1) - (half - 1) * Math.log(Math.PI)));
}

/** log gamma(x) for x > 0: Stirling's series, after shifting x to 15 or more, where seven terms suffice for float64. */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 15; ++x) shift += Math.log(x);
  const series = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  const tail = series.reduceRight((sum, term) => sum / (x * x) + term, 0) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail - shift;
}
