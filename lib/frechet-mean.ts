import {
  type AsyncOptions,
  type CallOptions,
  pause,
  runSteps,
  runStepsSync,
  type Steps,
} from './call/run.ts';
import { inSlices, rowsPerSlice } from './call/slices.ts';
import { callNames, checkOptions, positive } from './check.ts';
import { rangeError, shapeError } from './errors.ts';
import {
  allocateArray,
  asMatrix,
  checkSameType,
  checkShape,
  type DenseMatrix,
  type Matrix,
  matrix,
  type Reals,
  type Rows,
} from './matrix.ts';
import { prepareAs, prepareVjpAs } from './row/operation.ts';

/** Options of {@link frechetMean}. */
export interface FrechetMeanOptions<T extends Reals = Reals> extends CallOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** One number per row, 0 or more; default all equal. */
  weights?: Rows<T> | undefined;
}

/** The gradients of {@link frechetMean}. */
export interface FrechetMeanGradients<T extends Reals = Reals> {
  /** n x d. */
  x: DenseMatrix<T>;
  /** n x 1, if weights were given. */
  weights?: DenseMatrix<T>;
  /** With respect to c, for constant points. */
  c: number;
}

const name = 'frechetMean';
const known: ReadonlySet<string> = new Set([...callNames, 'c', 'weights']);
/** Maximum number of Newton steps; quadratic convergence takes about six. */
const maxSteps = 60;
/** Length of the gradient, relative to the largest distance, at which rounding dominates. */
const converged = 1e-15;

interface Checked {
  readonly x: DenseMatrix<Float64Array>;
  /** The weights divided by their sum; all 0 if the sum is 0. */
  readonly shares: Float64Array;
  readonly total: number;
  readonly hasWeights: boolean;
  readonly c: number;
  readonly call: CallOptions & { c: number };
}

function check<T extends Reals>(operation: string, rows: Rows<T>, given: FrechetMeanOptions<T>): Checked {
  const { c, weights, threads, device } = checkOptions(operation, given, 'options', known);
  positive(operation, 'c', c, ' (the curvature is -c)');
  const source = asMatrix(operation, 'x', rows);
  const x = matrix(Float64Array.from(source.data), source.rows, source.cols);
  const shares = allocateArray(operation, Float64Array, x.rows).fill(1);
  if (weights !== undefined) {
    const list = asMatrix(operation, 'weights', weights);
    checkSameType(operation, 'weights', source, list);
    if (list.data.length !== x.rows || (list.rows !== 1 && list.cols !== 1))
      throw shapeError(operation, 'weights', 'one number per row', `${list.rows} x ${list.cols}`);
    for (const weight of list.data)
      if (!(weight >= 0 && weight < Infinity))
        throw rangeError(operation, 'weights', 'finite numbers of 0 or more', weight);
    shares.set(list.data);
  }
  const largest = shares.reduce((most, weight) => Math.max(most, weight), 0);
  let sum = 0;
  for (const share of shares) sum += share / largest;
  if (largest > 0) for (let i = 0; i < shares.length; i++) shares[i]! /= largest * sum;
  const total = largest > 0 ? largest * sum : 0;
  return { x, shares, total, hasWeights: weights !== undefined, c, call: { c, threads, device } };
}

/** The mean, the tangent vectors from it to the points, and the Hessian at the mean. */
interface Solution {
  readonly mean: DenseMatrix<Float64Array>;
  readonly logs: Float64Array;
  readonly hessian: Hessian;
}

/**
 * Half the second derivative of the weighted sum of squared distances, in the coordinates of the tangent space at the mean: the
 * average of `k I + (1 - k) u u^T`, with `k = s coth(s)`, s = sqrt(c) times the distance, u the direction of a point.
 */
class Hessian {
  readonly #units: Float64Array;
  readonly #shares: Float64Array;
  readonly #factors: Float64Array;
  readonly #dim: number;
  /** The average of k; the largest eigenvalue is at most this. */
  scale = 0;

  private constructor(logs: Float64Array, shares: Float64Array, dim: number) {
    this.#units = logs.slice();
    this.#shares = shares;
    this.#factors = new Float64Array(shares.length);
    this.#dim = dim;
  }

  static *create(
    logs: Float64Array,
    shares: Float64Array,
    lambda: number,
    c: number,
    dim: number,
  ): Steps<Hessian> {
    const made = new Hessian(logs, shares, dim);
    yield* inSlices(
      shares.length,
      (begin, end) => made.#add(begin, end, Math.sqrt(c) * lambda),
      rowsPerSlice(dim),
    );
    return made;
  }

  #add(begin: number, end: number, perLength: number): void {
    const dim = this.#dim;
    for (let i = begin; i < end; i++) {
      const u = this.#units.subarray(i * dim, (i + 1) * dim);
      const length = Math.sqrt(dot(u, u));
      if (length > 0) for (let k = 0; k < dim; k++) u[k]! /= length;
      const s = perLength * length;
      const factor = s < 1e-4 ? 1 + (s * s) / 3 : s * (1 + 2 / Math.expm1(2 * s));
      this.#factors[i] = factor;
      this.scale += this.#shares[i]! * factor;
    }
  }

  *times(v: Float64Array): Steps<Float64Array> {
    const dim = this.#dim;
    const out = v.map((value) => this.scale * value);
    const add = (begin: number, end: number): void => {
      for (let i = begin; i < end; i++) {
        const u = this.#units.subarray(i * dim, (i + 1) * dim);
        const along = this.#shares[i]! * (1 - this.#factors[i]!) * dot(u, v);
        for (let k = 0; k < dim; k++) out[k]! += along * u[k]!;
      }
    };
    yield* inSlices(this.#shares.length, add, rowsPerSlice(dim));
    return out;
  }

  /** Solves by conjugate gradients; the eigenvalues are between 1 and `scale`. */
  *solve(b: Float64Array): Steps<Float64Array> {
    const x = new Float64Array(b.length);
    const rest = b.slice();
    const direction = b.slice();
    let square = dot(rest, rest);
    const enough = 1e-32 * square;
    for (let step = 0; step < 2 * b.length + 20 && square > enough; step++) {
      const moved = yield* this.times(direction);
      const rate = square / dot(direction, moved);
      for (let k = 0; k < b.length; k++) {
        x[k]! += rate * direction[k]!;
        rest[k]! -= rate * moved[k]!;
      }
      const next = dot(rest, rest);
      for (let k = 0; k < b.length; k++) direction[k] = rest[k]! + (next / square) * direction[k]!;
      square = next;
      yield pause;
    }
    return x;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

function* run(operation: string, card: string, args: readonly unknown[]): Steps<DenseMatrix<Float64Array>> {
  const call = prepareAs<Float64Array>(operation, card, args);
  yield call;
  return call.finish();
}

/** Newton's method, starting at the midpoint; steps are halved until the gradient gets shorter. */
function* solve(operation: string, { x, shares, c, call }: Checked): Steps<Solution> {
  const start = yield* run(operation, 'weightedMidpoint', [x, matrix(shares.slice(), x.rows, 1), call]);
  const at = function* (
    mean: DenseMatrix<Float64Array>,
  ): Steps<Solution & { gradient: Float64Array; length: number; far: number }> {
    const { data: logs } = yield* run(operation, 'logmap', [mean, x, call]);
    const { data: lambdas } = yield* run(operation, 'conformalFactor', [mean, call]);
    const lambda = lambdas[0]!;
    const gradient = new Float64Array(x.cols);
    let far = 0;
    const add = (begin: number, end: number): void => {
      for (let i = begin; i < end; i++) {
        const row = logs.subarray(i * x.cols, (i + 1) * x.cols);
        for (let k = 0; k < x.cols; k++) gradient[k]! += shares[i]! * row[k]!;
        if (shares[i]! > 0) far = Math.max(far, Math.sqrt(dot(row, row)));
      }
    };
    yield* inSlices(x.rows, add, rowsPerSlice(x.cols));
    const hessian = yield* Hessian.create(logs, shares, lambda, c, x.cols);
    return { mean, logs, hessian, gradient, length: Math.hypot(...gradient) * lambda, far: far * lambda };
  };
  let found = yield* at(start);
  for (let step = 0; step < maxSteps && found.length > converged * found.far; step++) {
    const move = yield* found.hessian.solve(found.gradient);
    let better: typeof found | undefined;
    for (let share = 1; share > 1e-3 && better === undefined; share /= 2) {
      const moved = matrix(
        move.map((value) => share * value),
        1,
        x.cols,
      );
      const next = yield* at(yield* run(operation, 'expmap', [found.mean, moved, call]));
      if (next.length < found.length) better = next;
    }
    if (better === undefined) break; // only rounding errors remain
    found = better;
  }
  return found;
}

const isEmpty = ({ total, x }: Checked): boolean => x.rows === 0 || total === 0;

function narrow<T extends Reals>(
  like: Matrix<T>,
  data: Float64Array,
  rows: number,
  cols: number,
): DenseMatrix<T> {
  return matrix((like.data instanceof Float32Array ? Float32Array.from(data) : data) as T, rows, cols);
}

function* forward<T extends Reals>(rows: Rows<T>, options: FrechetMeanOptions<T>): Steps<DenseMatrix<T>> {
  const checked = check(name, rows, options);
  const source = asMatrix(name, 'x', rows);
  if (isEmpty(checked)) return narrow(source, new Float64Array(source.cols), 1, source.cols);
  const { mean } = yield* solve(name, checked);
  return narrow(source, mean.data, 1, source.cols);
}

/** Implicit differentiation of the condition that the weighted sum of the logarithms at the mean is 0. */
function* backward<T extends Reals>(
  rows: Rows<T>,
  cotangent: Rows<T>,
  options: FrechetMeanOptions<T>,
): Steps<FrechetMeanGradients<T>> {
  const operation = `${name}.vjp`;
  const checked = check(operation, rows, options);
  const source = asMatrix(operation, 'x', rows);
  const { x, shares, total, hasWeights, call } = checked;
  const given = asMatrix(operation, 'cotangent', cotangent);
  checkSameType(operation, 'cotangent', source, given);
  checkShape(operation, 'cotangent', given, 1, x.cols);
  const made = (data: Float64Array, ofWeights: Float64Array, c: number): FrechetMeanGradients<T> => ({
    x: narrow(source, data, x.rows, x.cols),
    ...(hasWeights && { weights: narrow(source, ofWeights, x.rows, 1) }),
    c,
  });
  if (isEmpty(checked)) return made(new Float64Array(x.data.length), new Float64Array(x.rows), 0);
  const { mean, logs, hessian } = yield* solve(operation, checked);
  const v = yield* hessian.solve(Float64Array.from(given.data));
  const pulls = new Float64Array(x.data.length);
  const ofWeights = new Float64Array(x.rows);
  const add = (begin: number, end: number): void => {
    for (let i = begin; i < end; i++) {
      for (let k = 0; k < x.cols; k++) pulls[i * x.cols + k] = shares[i]! * v[k]!;
      ofWeights[i] = dot(logs.subarray(i * x.cols, (i + 1) * x.cols), v) / total;
    }
  };
  yield* inSlices(x.rows, add, rowsPerSlice(x.cols));
  const gradC = new Float64Array(1);
  const args = [mean, x, matrix(pulls, x.rows, x.cols), { ...call, gradC }];
  const vjp = prepareVjpAs(operation, 'logmap', args);
  yield vjp;
  const [, byX] = vjp.finish() as DenseMatrix<Float64Array>[];
  return made(byX!.data, ofWeights, gradC[0]!);
}

/** The type of {@link frechetMean}. */
export interface FrechetMean {
  <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T> & AsyncOptions): Promise<DenseMatrix<T>>;
  sync<T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T>): DenseMatrix<T>;
  /** Gradients of `sum(cotangent * mean)`. */
  readonly vjp: {
    <T extends Reals>(
      x: Rows<T>,
      cotangent: Rows<T>,
      options: FrechetMeanOptions<T> & AsyncOptions,
    ): Promise<FrechetMeanGradients<T>>;
    sync<T extends Reals>(
      x: Rows<T>,
      cotangent: Rows<T>,
      options: FrechetMeanOptions<T>,
    ): FrechetMeanGradients<T>;
  };
}

/**
 * Computes the weighted Fréchet mean of all rows, the point that minimizes the weighted sum of squared distances.
 * Gradients are computed by implicit differentiation (Lou et al. 2020, arXiv 2003.00335). Uses Newton's method in
 * float64; `weightedMidpoint` is a cheaper mean in closed form. If all weights are 0, the result is the origin, with
 * gradients of 0.
 *
 * @param x - n x d: ball points
 * @returns 1 x d
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const x = matrix([[0, 0], [0.6, 0]]);
 * const mean = await frechetMean(x, { c: 1 }); // the midpoint of the geodesic
 */
export const frechetMean: FrechetMean = Object.assign(
  <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T> & AsyncOptions) =>
    runSteps(name, options?.signal, () => forward(x, options)),
  {
    sync: <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T>) =>
      runStepsSync(name, forward(x, options)),
    vjp: Object.assign(
      <T extends Reals>(x: Rows<T>, cotangent: Rows<T>, options: FrechetMeanOptions<T> & AsyncOptions) =>
        runSteps(`${name}.vjp`, options?.signal, () => backward(x, cotangent, options)),
      {
        sync: <T extends Reals>(x: Rows<T>, cotangent: Rows<T>, options: FrechetMeanOptions<T>) =>
          runStepsSync(`${name}.vjp`, backward(x, cotangent, options)),
      },
    ),
  },
);
