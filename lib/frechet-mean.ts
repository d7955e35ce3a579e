import {
  type AsyncOptions,
  type CallOptions,
  pause,
  runSteps,
  runStepsSync,
  type Steps,
} from './call/run.ts';
import { inSlices, rowsPerSlice, widened } from './call/slices.ts';
import { callNames, checkOptions, positive } from './check.ts';
import {
  allocateArray,
  asMatrix,
  checkGradC,
  checkKept,
  checkSameType,
  checkShape,
  type DenseMatrix,
  type Matrix,
  matrix,
  type Reals,
  type Rows,
  zeros,
} from './matrix.ts';
import { norm } from './norm.ts';
import { prepareAs, prepareVjpAs } from './row/operation.ts';
import { weightColumn, weightSteps, weightsShape } from './weights.ts';

/** Options of {@link frechetMean}. */
export interface FrechetMeanOptions<T extends Reals = Reals> extends CallOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** One number per row, 0 or more; default all equal. */
  weights?: Rows<T> | undefined;
}

/** Options of `frechetMean.vjp`. */
export interface FrechetMeanVjpOptions<T extends Reals = Reals> extends FrechetMeanOptions<T> {
  /** An array of one element, overwritten with the gradient with respect to c, with the points held constant. */
  gradC?: Float64Array | undefined;
}

/** The gradients of {@link frechetMean}: with respect to x (n x d), and to the weights (n x 1) if they were given. */
export type FrechetMeanGradients<T extends Reals = Reals> = [
  x: DenseMatrix<T>,
  weights: DenseMatrix<T> | undefined,
] & {
  /** @deprecated Read the first element instead. */
  readonly x: DenseMatrix<T>;
  /** @deprecated Read the second element instead. */
  readonly weights?: DenseMatrix<T>;
  /** @deprecated Pass `gradC` instead. */
  readonly c: number;
};

const name = 'frechetMean';
const known: ReadonlySet<string> = new Set([...callNames, 'c', 'weights']);
const knownVjp: ReadonlySet<string> = new Set([...known, 'gradC']);
/** Maximum number of Newton steps; quadratic convergence takes about six. */
const maxSteps = 60;
/** Norm of the gradient, relative to the largest distance, below which rounding errors dominate. */
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

function* check<T extends Reals>(
  operation: string,
  source: Matrix<T>,
  { c, weights, threads, device }: FrechetMeanOptions<T>,
): Steps<Checked> {
  positive(operation, 'c', c, ' (the curvature is -c)');
  const { rows } = source;
  const shares = allocateArray(operation, Float64Array, rows);
  if (weights !== undefined) {
    const list = weightColumn(operation, weights);
    checkSameType(operation, 'weights', source, list);
    if (list.rows !== rows) throw weightsShape(operation, String(list.rows));
    yield* weightSteps(operation, list.data, rows, shares);
  } else {
    yield* inSlices(rows, (begin, end) => {
      shares.fill(1, begin, end);
    });
  }
  const x = yield* widened(operation, 'x', source);
  const total = yield* divideBySum(shares);
  return { x, shares, total, hasWeights: weights !== undefined, c, call: { c, threads, device } };
}

/** Divides weights by their sum (in two steps if it overflows) and returns the sum. If it is 0, changes nothing. */
function* divideBySum(weights: Float64Array): Steps<number> {
  const { length } = weights;
  let largest = 0;
  yield* inSlices(length, (begin, end) => {
    for (let i = begin; i < end; ++i) largest = Math.max(largest, weights[i]!);
  });
  if (largest === 0) return 0;
  let sum = 0;
  yield* inSlices(length, (begin, end) => {
    for (let i = begin; i < end; ++i) sum += weights[i]! / largest;
  });
  const total = largest * sum;
  const [first, second] = total < Infinity ? [total, 1] : [largest, sum];
  yield* inSlices(length, (begin, end) => {
    for (let i = begin; i < end; ++i) weights[i] = weights[i]! / first / second;
  });
  return total;
}

/** The mean, the tangent vectors from it to the points, and the Hessian at the mean. */
interface Solution {
  readonly mean: DenseMatrix<Float64Array>;
  readonly logs: Float64Array;
  readonly hessian: Hessian;
}

/**
 * Half the second derivative of the weighted sum of squared distances, in the tangent space at the mean. It is the
 * weighted average over the points of `k I + (1 - k) u u^T` with `k = s coth(s)` and `s = sqrt(c) d`, where u is the
 * direction of a point from the mean and d its distance.
 */
class Hessian {
  readonly #logs: Float64Array;
  readonly #units: Float64Array;
  readonly #shares: Float64Array;
  readonly #factors: Float64Array;
  readonly #dim: number;
  /** The weighted average of k over the points, an upper bound on the eigenvalues. */
  scale = 0;

  private constructor(logs: Float64Array, shares: Float64Array, dim: number) {
    this.#logs = logs;
    this.#units = new Float64Array(logs.length);
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
      rowsPerSlice(4 * dim),
    );
    return made;
  }

  #add(begin: number, end: number, perLength: number): void {
    const dim = this.#dim;
    const logs = this.#logs;
    const units = this.#units;
    for (let i = begin; i < end; i++) {
      const at = i * dim;
      let square = 0;
      for (let k = at; k < at + dim; k++) square += logs[k]! * logs[k]!;
      const length = Math.sqrt(square);
      for (let k = at; k < at + dim; k++) units[k] = length > 0 ? logs[k]! / length : logs[k]!;
      const s = perLength * length;
      const factor = s < 1e-4 ? 1 + (s * s) / 3 : s * (1 + 2 / Math.expm1(2 * s));
      this.#factors[i] = factor;
      this.scale += this.#shares[i]! * factor;
    }
  }

  *times(v: Float64Array): Steps<Float64Array> {
    const dim = this.#dim;
    const units = this.#units;
    const out = v.map((value) => this.scale * value);
    const add = (begin: number, end: number): void => {
      for (let i = begin; i < end; i++) {
        const along = this.#shares[i]! * (1 - this.#factors[i]!) * dotRow(units, i, v);
        for (let k = 0; k < dim; k++) out[k]! += along * units[i * dim + k]!;
      }
    };
    yield* inSlices(this.#shares.length, add, rowsPerSlice(4 * dim));
    return out;
  }

  /**
   * Multiplies a vector by the inverse of the Hessian, by the conjugate gradient method. It converges because all
   * eigenvalues are between 1 and `scale`.
   */
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

/** Returns the inner product of row `i` of a matrix and a vector. */
function dotRow(rows: Float64Array, i: number, v: Float64Array): number {
  const at = i * v.length;
  let sum = 0;
  for (let k = 0; k < v.length; k++) sum += rows[at + k]! * v[k]!;
  return sum;
}

function* run(operation: string, card: string, args: readonly unknown[]): Steps<DenseMatrix<Float64Array>> {
  const call = prepareAs<Float64Array>(operation, card, args);
  yield call;
  return call.finish();
}

/** Finds the mean by Newton's method, starting at the midpoint. Each step is halved until the gradient gets shorter. */
function* solve(operation: string, { x, shares, c, call }: Checked): Steps<Solution> {
  const start = yield* run(operation, 'weightedMidpoint', [x, matrix(shares, x.rows, 1), call]);
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
        const row = i * x.cols;
        let square = 0;
        for (let k = 0; k < x.cols; k++) {
          const log = logs[row + k]!;
          gradient[k]! += shares[i]! * log;
          square += log * log;
        }
        if (shares[i]! > 0) far = Math.max(far, Math.sqrt(square));
      }
    };
    yield* inSlices(x.rows, add, rowsPerSlice(4 * x.cols));
    const hessian = yield* Hessian.create(logs, shares, lambda, c, x.cols);
    return { mean, logs, hessian, gradient, length: norm(gradient) * lambda, far: far * lambda };
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

/** Returns a copy of float64 results in the element type of `like`. */
function* narrowed<T extends Reals>(
  operation: string,
  { data: like }: Matrix<T>,
  { data, rows, cols }: Matrix<Float64Array>,
): Steps<DenseMatrix<T>> {
  const out = zeros(operation, like, rows, cols);
  yield* inSlices(data.length, (begin, end) => {
    out.data.set(data.subarray(begin, end), begin);
  });
  return out;
}

function* forward<T extends Reals>(rows: Rows<T>, given: FrechetMeanOptions<T>): Steps<DenseMatrix<T>> {
  const options = checkOptions(name, given, 'options', known);
  const source = asMatrix(name, 'x', rows);
  const checked = yield* check(name, source, options);
  if (isEmpty(checked)) return zeros(name, source.data, 1, source.cols);
  const { mean } = yield* solve(name, checked);
  return yield* narrowed(name, source, mean);
}

const vjpName = `${name}.vjp`;

/**
 * Computes the gradients by implicit differentiation of the condition that, at the mean, the weighted sum of the
 * tangent vectors to the points is 0.
 */
function* backward<T extends Reals>(
  rows: Rows<T>,
  cotangent: Rows<T>,
  given: FrechetMeanVjpOptions<T>,
): Steps<FrechetMeanGradients<T>> {
  const options = checkOptions(vjpName, given, 'options', knownVjp);
  const source = asMatrix(vjpName, 'x', rows);
  const row = asMatrix(vjpName, 'cotangent', cotangent);
  checkSameType(vjpName, 'cotangent', source, row);
  checkShape(vjpName, 'cotangent', row, 1, source.cols);
  const pull = yield* widened(vjpName, 'cotangent', row);
  const gradC = checkGradC(vjpName, options.gradC);
  const checked = yield* check(vjpName, source, options);
  const { x, shares, total, hasWeights, call } = checked;
  const gradients = (byX: DenseMatrix<T>, byWeights: DenseMatrix<T>, byC: number) => {
    if (gradC !== undefined) {
      checkKept(vjpName, 'gradC', gradC, 1);
      gradC[0] = byC;
    }
    return gradientsOf(byX, hasWeights ? byWeights : undefined, byC);
  };
  const ofWeights = zeros(vjpName, new Float64Array(0), x.rows, 1);
  if (isEmpty(checked))
    return gradients(zeros(vjpName, source.data, x.rows, x.cols), zeros(vjpName, source.data, x.rows, 1), 0);
  const { mean, logs, hessian } = yield* solve(vjpName, checked);
  const v = yield* hessian.solve(pull.data);
  const pulls = zeros(vjpName, x.data, x.rows, x.cols);
  const add = (begin: number, end: number): void => {
    for (let i = begin; i < end; i++) {
      for (let k = 0; k < x.cols; k++) pulls.data[i * x.cols + k] = shares[i]! * v[k]!;
      ofWeights.data[i] = dotRow(logs, i, v) / total;
    }
  };
  yield* inSlices(x.rows, add, rowsPerSlice(4 * x.cols));
  const ofC = new Float64Array(1);
  const vjp = prepareVjpAs(vjpName, 'logmap', [mean, x, pulls, { ...call, gradC: ofC }]);
  yield vjp;
  const [, ofX] = vjp.finish() as DenseMatrix<Float64Array>[];
  return gradients(
    yield* narrowed(vjpName, source, ofX!),
    yield* narrowed(vjpName, source, ofWeights),
    ofC[0]!,
  );
}

/** Returns the gradients as an array that also has the deprecated properties. */
function gradientsOf<T extends Reals>(
  x: DenseMatrix<T>,
  weights: DenseMatrix<T> | undefined,
  c: number,
): FrechetMeanGradients<T> {
  const named = Object.entries({ x, ...(weights !== undefined && { weights }), c });
  const properties = named.map(([key, value]) => [key, { value }] as const);
  return Object.defineProperties(
    [x, weights],
    Object.fromEntries(properties),
  ) as unknown as FrechetMeanGradients<T>;
}

/** The type of {@link frechetMean}. */
export interface FrechetMean {
  <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T> & AsyncOptions): Promise<DenseMatrix<T>>;
  sync<T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T>): DenseMatrix<T>;
  /** Gradients of `sum(cotangent * mean)`, as an array `[gradX, gradWeights]`. */
  readonly vjp: {
    <T extends Reals>(
      x: Rows<T>,
      cotangent: Rows<T>,
      options: FrechetMeanVjpOptions<T> & AsyncOptions,
    ): Promise<FrechetMeanGradients<T>>;
    sync<T extends Reals>(
      x: Rows<T>,
      cotangent: Rows<T>,
      options: FrechetMeanVjpOptions<T>,
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
 * @returns the mean, 1 x d
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const x = matrix([[0, 0], [0.6, 0]]);
 * const mean = await frechetMean(x, { c: 1 }); // the midpoint of the geodesic
 * const [gradX] = await frechetMean.vjp(x, mean, { c: 1 });
 */
export const frechetMean: FrechetMean = Object.assign(
  <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T> & AsyncOptions) =>
    runSteps(name, options?.signal, () => forward(x, options)),
  {
    sync: <T extends Reals>(x: Rows<T>, options: FrechetMeanOptions<T>) =>
      runStepsSync(name, forward(x, options), options?.signal),
    vjp: Object.assign(
      <T extends Reals>(x: Rows<T>, cotangent: Rows<T>, options: FrechetMeanVjpOptions<T> & AsyncOptions) =>
        runSteps(vjpName, options?.signal, () => backward(x, cotangent, options)),
      {
        sync: <T extends Reals>(x: Rows<T>, cotangent: Rows<T>, options: FrechetMeanVjpOptions<T>) =>
          runStepsSync(vjpName, backward(x, cotangent, options), options?.signal),
      },
    ),
  },
);
