import { pairwise, pairwiseVjp } from './call/binding-calls.ts';
import { collect, outputBuffer } from './call/output-buffer.ts';
import {
  type AsyncOptions,
  type CallOptions,
  type Prepared,
  runAsync,
  runSteps,
  runStepsSync,
  runSync,
  type Steps,
  throwIfAborted,
} from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { type metricCurved, metrics } from './card-names.ts';
import { type Metric, metricCards } from './cards.ts';
import {
  type Compat,
  callNames,
  checkOptions,
  choice,
  curvature,
  deviceIndex,
  guards,
  metricNames,
  threadCount,
} from './check.ts';
import { shapeError } from './errors.ts';
import {
  asMatrix,
  checkGradC,
  checkSameType,
  checkShape,
  type DenseMatrix,
  isRows,
  type Matrix,
  type Reals,
  type Rows,
  resultMatrix,
  zeros,
} from './matrix.ts';
import { core } from './native.ts';

/** A metric that depends on c. */
export type CurvedMetric = {
  [Name in Metric]: (typeof metricCurved)[Name] extends true ? Name : never;
}[Metric];

/** A metric that ignores c. */
export type FlatMetric = Exclude<Metric, CurvedMetric>;

/** A metric and its parameters, before validation. */
export interface AnyMetricOptions {
  metric?: Metric | undefined;
  c?: number | undefined;
  compat?: Compat | undefined;
}

/** A curved metric and its parameters. */
export interface CurvedMetricOptions {
  /** Default `'poincare'`. */
  metric?: CurvedMetric | undefined;
  /** The curvature is -c, c > 0. */
  c: number;
  /** Use the numerical guards of the published code. */
  compat?: Compat | undefined;
}

/** A flat metric and its parameters. */
export interface FlatMetricOptions {
  metric: FlatMetric;
  /** Ignored. */
  c?: number | undefined;
  /** Has no effect. */
  compat?: Compat | undefined;
}

/** A metric and its parameters: the curved metrics (`poincare`, the default, and `lorentz`) require c. */
export type MetricOptions = CurvedMetricOptions | FlatMetricOptions;

/** Options of {@link pairwiseDistance}. */
export type PairwiseOptions<T extends Reals = Reals> = MetricOptions &
  CallOptions & {
    /** Output array, n x m; must not share memory with an input. */
    out?: Rows<T> | undefined;
  };

/** Options of `pairwiseDistance.vjp`. */
export type PairwiseVjpOptions = MetricOptions & CallOptions & GradCOption;

interface GradCOption {
  /**
   * An array of one element, overwritten with the gradient with respect to c, with x and y held constant; 0 for metrics
   * without a c. For `lorentz` the coordinates are constants although the hyperboloid `<x,x> = -1/c` depends on c: if
   * they were converted from ball points, add the `gradC` of `poincareToLorentz.vjp` to get the gradient that
   * `poincare` returns.
   */
  gradC?: Float64Array | undefined;
}

/** A metric in the core's encoding. */
export interface MetricNumbers {
  readonly metric: number;
  readonly guards: number;
  readonly c: number;
}

/** Checks a metric's options and returns them in the core's encoding. */
export function metricNumbers(operation: string, options: AnyMetricOptions): MetricNumbers {
  const { metric: name, c: given, compat } = options;
  const metric = name === undefined ? 0 : choice(operation, 'metric', name, metrics);
  const c = metricCards()[metric]!.curved ? curvature(operation, given) : 1;
  return { metric, guards: guards(operation, compat), c };
}

/** Throws unless x and y have the same number of columns and the same element type. */
export function checkPair(operation: string, name: string, x: Matrix, y: Matrix): void {
  if (x.cols !== y.cols) throw shapeError(operation, name, `${x.cols} columns`, String(y.cols));
  checkSameType(operation, name, x, y);
}

const name = 'pairwiseDistance';
const known: ReadonlySet<string> = new Set([...metricNames, ...callNames, 'out']);
const knownVjp: ReadonlySet<string> = new Set([...metricNames, ...callNames, 'gradC']);

/** Validates a distance matrix call and allocates its result; errors start with `name`. */
export function preparePairwise<T extends Reals>(
  name: string,
  x: Rows<T>,
  y: Rows<T> | undefined,
  given: AnyMetricOptions & CallOptions & { out?: Rows<T> | undefined },
): Prepared<DenseMatrix<T>> {
  const options = checkOptions(name, given, 'options', known);
  const a = asMatrix(name, 'x', x);
  const b = y === undefined ? a : asMatrix(name, 'y', y);
  checkPair(name, 'y', a, b);
  const { metric, guards, c } = metricNumbers(name, options);
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const out = resultMatrix(name, 'out', options.out, a.rows, b.rows, [a, b]);
  const start = (job: number) => {
    const to = job === 0 ? outputBuffer(out.data) : out.data;
    const outcome = pairwise(core(), {
      metric,
      guards,
      c,
      x: a,
      y: b,
      out: { data: to, rows: out.rows, cols: out.cols },
      device,
      threads,
      job,
    });
    collect(to, out.data);
    return outcome;
  };
  return { start: out.data.length === 0 ? nothing : start, finish: () => out };
}

/**
 * Validates a call of the vector-Jacobian product and allocates the gradients with respect to x and y (default x);
 * errors start with `operation`.
 */
export function preparePairwiseVjp<T extends Reals>(
  operation: string,
  x: Rows<T>,
  y: Rows<T> | undefined,
  cotangent: Rows<T>,
  given: PairwiseVjpOptions,
): Prepared<[DenseMatrix<T>, DenseMatrix<T>]> {
  const options = checkOptions(operation, given, 'options', knownVjp);
  const a = asMatrix(operation, 'x', x);
  const b = y === undefined ? a : asMatrix(operation, 'y', y);
  checkPair(operation, 'y', a, b);
  const weights = asMatrix(operation, 'cotangent', cotangent);
  checkSameType(operation, 'cotangent', a, weights);
  checkShape(operation, 'cotangent', weights, a.rows, b.rows);
  const { metric, guards, c } = metricNumbers(operation, options);
  const gradC = checkGradC(operation, options.gradC) ?? null;
  const device = deviceIndex(operation, options.device);
  const threads = threadCount(operation, options.threads);
  const gradX = zeros(operation, a.data, a.rows, a.cols);
  const gradY = zeros(operation, b.data, b.rows, b.cols);
  const start = (job: number) =>
    pairwiseVjp(core(), {
      metric,
      guards,
      c,
      x: a,
      y: b,
      cotangent: weights,
      gradX,
      gradY,
      gradC,
      device,
      threads,
      job,
    });
  const finish = (): [DenseMatrix<T>, DenseMatrix<T>] => [gradX, gradY];
  if (a.rows * b.rows > 0) return { start, finish };
  gradC?.fill(0);
  return { start: nothing, finish };
}

function nothing(): undefined {}

/** Returns the gradients with respect to x and y; without y, their sum. */
function* vjpSteps<T extends Reals>(
  x: Rows<T>,
  y: Rows<T> | undefined,
  cotangent: Rows<T>,
  options: PairwiseVjpOptions,
): Steps<DenseMatrix<T>[]> {
  const call = preparePairwiseVjp(vjpName, x, y, cotangent, options);
  yield call;
  const [gradX, gradY] = call.finish();
  if (y !== undefined) return [gradX, gradY];
  yield* inSlices(gradX.data.length, (begin, end) => {
    for (let i = begin; i < end; ++i) gradX.data[i]! += gradY.data[i]!;
  });
  return [gradX];
}

/**
 * The vector-Jacobian product of {@link pairwiseDistance}, and its synchronous variant. Without y, the distances are
 * between the rows of x.
 */
export interface PairwiseVjp {
  <T extends Reals>(
    x: Rows<T>,
    cotangent: Rows<T>,
    options: PairwiseVjpOptions & AsyncOptions,
  ): Promise<[DenseMatrix<T>]>;
  <T extends Reals>(
    x: Rows<T>,
    y: Rows<T> | undefined,
    cotangent: Rows<T>,
    options: PairwiseVjpOptions & AsyncOptions,
  ): Promise<DenseMatrix<T>[]>;
  sync: PairwiseVjpSync;
}

/** The synchronous variant of {@link PairwiseVjp}. */
export interface PairwiseVjpSync {
  <T extends Reals>(x: Rows<T>, cotangent: Rows<T>, options: PairwiseVjpOptions): [DenseMatrix<T>];
  <T extends Reals>(
    x: Rows<T>,
    y: Rows<T> | undefined,
    cotangent: Rows<T>,
    options: PairwiseVjpOptions,
  ): DenseMatrix<T>[];
}

/** The synchronous variant of {@link PairwiseDistance}. */
export interface PairwiseDistanceSync {
  <T extends Reals>(x: Rows<T>, options: PairwiseOptions<T>): DenseMatrix<T>;
  <T extends Reals>(x: Rows<T>, y: Rows<T> | undefined, options: PairwiseOptions<T>): DenseMatrix<T>;
}

/** The type of {@link pairwiseDistance}. Without y, it computes the distances between the rows of x. */
export interface PairwiseDistance {
  <T extends Reals>(x: Rows<T>, options: PairwiseOptions<T> & AsyncOptions): Promise<DenseMatrix<T>>;
  <T extends Reals>(
    x: Rows<T>,
    y: Rows<T> | undefined,
    options: PairwiseOptions<T> & AsyncOptions,
  ): Promise<DenseMatrix<T>>;
  sync: PairwiseDistanceSync;
  /**
   * Gradients of `sum(cotangent * distances)`: one for x and one for y, or only the total for x if y is not given.
   * Exactly 0 for coincident points.
   */
  vjp: PairwiseVjp;
}

/** Whether y was omitted, so that the options are one argument earlier. */
function isOmitted(next: unknown, last: unknown): boolean {
  return last === undefined && typeof next === 'object' && next !== null && !isRows(next);
}

/** The arguments of a call, with or without y. */
type PairArguments<T extends Reals, O> =
  | [x: Rows<T>, options: O]
  | [x: Rows<T>, y: Rows<T> | undefined, options: O];

function pairOf<T extends Reals, O>([x, next, last]: PairArguments<T, O>): [Rows<T>, Rows<T> | undefined, O] {
  return isOmitted(next, last) ? [x, undefined, next as O] : [x, next as Rows<T> | undefined, last as O];
}

/** The arguments of a vector-Jacobian product, with or without y. */
type VjpArguments<T extends Reals, O> =
  | [x: Rows<T>, cotangent: Rows<T>, options: O]
  | [x: Rows<T>, y: Rows<T> | undefined, cotangent: Rows<T>, options: O];

function vjpOf<T extends Reals, O>([x, next, then, last]: VjpArguments<T, O>): [
  Rows<T>,
  Rows<T> | undefined,
  Rows<T>,
  O,
] {
  return isOmitted(then, last)
    ? [x, undefined, next as Rows<T>, then as O]
    : [x, next, then as Rows<T>, last as O];
}

const vjpName = `${name}.vjp`;
const vjp = Object.assign(
  <T extends Reals>(...args: VjpArguments<T, PairwiseVjpOptions & AsyncOptions>) => {
    const [x, y, cotangent, options] = vjpOf(args);
    return runSteps(vjpName, options?.signal, () => vjpSteps(x, y, cotangent, options));
  },
  {
    sync: <T extends Reals>(...args: VjpArguments<T, PairwiseVjpOptions>) => {
      const [x, y, cotangent, options] = vjpOf(args);
      return runStepsSync(vjpName, vjpSteps(x, y, cotangent, options), options?.signal);
    },
  },
) as PairwiseVjp; // a cast, because the overloads of this type also declare how many gradients are returned

/**
 * Returns all distances between the rows of x (n x d) and y (m x d; default x itself): n x m, without n x m x d memory.
 * Distances between close points are accurate, too: `metricCard(metric).tolerance` states the largest relative errors.
 *
 * Formula of `poincare`: `2/sqrt(c) arsinh(sqrt u)`, `u = c |x-y|^2 / ((1-c|x|^2)(1-c|y|^2))` (Ganea, Becigneul,
 * Hofmann 2018).
 *
 * @param x - points; in the ball `c|x|^2 < 1` for `poincare`
 * @param y - points with the element type and number of columns of x; may be omitted
 * @param options - `c` is required for hyperbolic metrics: the curvature is -c
 * @returns n x m distances; 0 for coincident rows
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; rejects with the signal's reason when aborted
 * @example
 * const x = matrix(new Float32Array([0, 0, 0.5, 0]), 2, 2);
 * const d = await pairwiseDistance(x, { c: 1 });
 * d.data; // => new Float32Array([0, Math.log(3), Math.log(3), 0])
 * const [gradX] = await pairwiseDistance.vjp(x, d, { c: 1 });
 */
export const pairwiseDistance: PairwiseDistance = Object.assign(
  <T extends Reals>(...args: PairArguments<T, PairwiseOptions<T> & AsyncOptions>) => {
    const [x, y, options] = pairOf(args);
    return runAsync(name, options?.signal, () => preparePairwise(name, x, y, options));
  },
  {
    sync: <T extends Reals>(...args: PairArguments<T, PairwiseOptions<T>>) => {
      const [x, y, options] = pairOf(args);
      throwIfAborted(name, options?.signal);
      return runSync(name, preparePairwise(name, x, y, options));
    },
    vjp,
  },
);
