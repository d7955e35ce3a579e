import { checkOptions, integer, isMap, listOf, positive, share } from './check.ts';
import { quoted, rangeError, shapeError, typeError } from './errors.ts';
import {
  asMatrix,
  checkAttached,
  checkKept,
  checkSameType,
  checkShape,
  isReals,
  type Matrix,
  type Reals,
  type Rows,
  zeros,
} from './matrix.ts';
import { conformalFactor, expmap, parallelTransport, project, riemannianGradient } from './ops.ts';

/** A named array of an optimizer's state, for saving. */
export interface StateEntry<T extends Reals = Reals> {
  readonly shape: readonly number[];
  readonly data: T;
}

/** Options of {@link RiemannianSGD}. */
export interface RiemannianSGDOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** Learning rate, >= 0. */
  lr: number;
  /** Fraction of the previous velocity that is kept, at least 0 and below 1; default 0. */
  momentum?: number;
}

/** Options of {@link RiemannianAdam}. */
export interface RiemannianAdamOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** Learning rate, >= 0. */
  lr: number;
  /** Decay rates of the two moments; default (0.9, 0.999). */
  betas?: readonly [number, number];
  /** Added to the square root of the second moment; default 1e-8. */
  eps?: number;
}

const sgdNames: ReadonlySet<string> = new Set(['c', 'lr', 'momentum']);
const adamNames: ReadonlySet<string> = new Set(['c', 'lr', 'betas', 'eps']);
const stepNames: ReadonlySet<string> = new Set(['lr']);

/**
 * Base of both optimizers. Points of the ball move in place along geodesics; each step ends with a projection and the
 * parallel transport of one tangent vector per point.
 */
abstract class RiemannianOptimizer<T extends Reals> {
  /** n x d points of the ball; `step` moves them in place. */
  readonly points: Matrix<T>;
  /** The ball's curvature is -c. */
  readonly c: number;
  protected readonly name: string;
  /** The transported moment: a tangent vector at each point. */
  protected readonly moment: Matrix<T>;
  readonly #lr: number;

  protected constructor(
    name: string,
    points: Rows<T>,
    options: { c: number; lr: number },
    known: ReadonlySet<string>,
  ) {
    const { c, lr } = checkOptions(name, options, 'options', known);
    this.name = name;
    this.points = asMatrix(name, 'points', points);
    this.c = positive(name, 'c', c, ' (the curvature is -c)');
    this.#lr = rate(name, lr);
    this.moment = zeros(name, this.points.data, this.points.rows, this.points.cols);
  }

  /**
   * Updates all points synchronously.
   *
   * @param gradient - n x d: the Euclidean gradient of the loss at the points
   * @param options - `lr` overrides the optimizer's learning rate for this step
   * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; the points and moments are then unchanged
   */
  step(gradient: Rows<T>, options?: { lr?: number }): void {
    const { points } = this;
    const operation = `${this.name}.step`;
    const { lr = this.#lr } = checkOptions(operation, options, 'options', stepNames);
    checkAttached(operation, 'points', points);
    const given = asMatrix(operation, 'gradient', gradient);
    checkSameType(operation, 'gradient', points, given);
    checkShape(operation, 'gradient', given, points.rows, points.cols);
    const checked = rate(operation, lr); // checked before the moments are updated
    const tangent = riemannianGradient.sync(points, given, { c: this.c });
    this.#move(this.direction(tangent), checked);
  }

  /** Updates the moments with the Riemannian gradient and returns the ascent direction as a tangent vector. */
  protected abstract direction(tangent: Matrix<T>): Matrix<T>;

  #move(direction: Matrix<T>, lr: number): void {
    const { points, moment, c } = this;
    for (let i = 0; i < direction.data.length; i++) direction.data[i]! *= -lr;
    const moved = project.sync(expmap.sync(points, direction, { c }), { c });
    moment.data.set(parallelTransport.sync(points, moved, moment, { c }).data);
    points.data.set(moved.data);
  }

  /**
   * Copies the entries of a state, either all or none.
   * @throws RangeError `ERR_HOROBALL_SHAPE` or `ERR_HOROBALL_RANGE`, TypeError `ERR_HOROBALL_TYPE`
   */
  protected load(state: ReadonlyMap<string, StateEntry>, into: Readonly<Record<string, Reals>>): void {
    const operation = `${this.name}.loadState`;
    if (!isMap(state)) throw typeError(operation, 'state', 'a Map returned by state()', quoted(state));
    const found = Object.entries(into).map(([key, to]) => {
      const entry = state.get(key) as StateEntry | null | undefined;
      if (entry === undefined || entry === null)
        throw shapeError(operation, key, 'an entry with this name', 'none');
      const { data } = entry;
      const want = to[Symbol.toStringTag];
      if (!isReals(data) || data[Symbol.toStringTag] !== want) throw typeError(operation, key, want, data);
      if (data.length !== to.length)
        throw shapeError(operation, key, `${to.length} values`, String(data.length));
      if (key === 'steps') integer(operation, key, data[0], 0, Number.MAX_SAFE_INTEGER);
      return [key, to, data] as const;
    });
    // A property that was read later may have transferred an array.
    for (const [key, to, data] of found) checkKept(operation, key, data, to.length);
    for (const [, to, data] of found) to.set(data);
  }
}

/**
 * Stochastic gradient descent for points of the Poincaré ball (Bonnabel 2013, arXiv 1111.5280). Points move along
 * geodesics against the Riemannian gradient or, with momentum, against its running sum, which is parallel transported
 * from step to step. Does not need libtorch.
 *
 * @example
 * const points = matrix(new Float64Array([0, 0.5]), 1, 2);
 * const optimizer = new RiemannianSGD(points, { c: 1, lr: 0.1, momentum: 0.9 });
 * optimizer.step(matrix(new Float64Array([0, 1]), 1, 2));
 * points.data[1] < 0.5; // => true
 */
export class RiemannianSGD<T extends Reals> extends RiemannianOptimizer<T> {
  readonly #momentum: number;

  constructor(points: Rows<T>, options: RiemannianSGDOptions) {
    super('riemannianSGD', points, options, sgdNames);
    this.#momentum = share(this.name, 'momentum', options.momentum ?? 0);
  }

  protected override direction(tangent: Matrix<T>): Matrix<T> {
    const velocity = this.moment.data;
    for (let i = 0; i < velocity.length; i++) {
      tangent.data[i]! += this.#momentum * velocity[i]!;
      velocity[i] = tangent.data[i]!;
    }
    return tangent;
  }

  /** Returns a copy of the state: `velocity` (n x d). */
  state(): Map<string, StateEntry<T>> {
    return new Map([['velocity', entryOf(this.moment)]]);
  }

  loadState(state: ReadonlyMap<string, StateEntry>): void {
    this.load(state, { velocity: this.moment.data });
  }
}

/**
 * Adam for points of the Poincaré ball (Bécigneul & Ganea 2019, arXiv 1810.00760): the first moment is a tangent vector
 * that is transported with its point, the second is the mean squared Riemannian norm of the point's gradient, one number
 * per point. Does not need libtorch.
 *
 * @example
 * const points = matrix(new Float64Array([0.5, 0]), 1, 2);
 * const optimizer = new RiemannianAdam(points, { c: 1, lr: 0.01 });
 * optimizer.step(matrix(new Float64Array([1, 0]), 1, 2));
 * points.data[0] < 0.5; // => true
 */
export class RiemannianAdam<T extends Reals> extends RiemannianOptimizer<T> {
  readonly #betas: readonly [number, number];
  readonly #eps: number;
  /** The second moment of each point. */
  readonly #second: Float64Array;
  #steps = 0;

  constructor(points: Rows<T>, options: RiemannianAdamOptions) {
    super('riemannianAdam', points, options, adamNames);
    const { betas = [0.9, 0.999], eps = 1e-8 } = options;
    const decays = listOf(betas, 2);
    if (decays === null) throw typeError(this.name, 'betas', 'two numbers', quoted(betas));
    const [beta1, beta2] = decays;
    this.#betas = [share(this.name, 'betas', beta1), share(this.name, 'betas', beta2)];
    this.#eps = positive(this.name, 'eps', eps);
    this.#second = new Float64Array(this.points.rows);
  }

  protected override direction(tangent: Matrix<T>): Matrix<T> {
    const [beta1, beta2] = this.#betas;
    const steps = ++this.#steps;
    const first = this.moment.data;
    const factors = conformalFactor.sync(this.points, { c: this.c }).data;
    const { rows, cols } = tangent;
    for (let row = 0; row < rows; row++) {
      let squared = 0;
      for (let i = row * cols; i < (row + 1) * cols; i++) {
        const gradient = tangent.data[i]!;
        squared += gradient * gradient;
        first[i] = beta1 * first[i]! + (1 - beta1) * gradient;
      }
      const length = factors[row]! ** 2 * squared;
      this.#second[row] = beta2 * this.#second[row]! + (1 - beta2) * length;
      const size = Math.sqrt(this.#second[row]! / (1 - beta2 ** steps)) + this.#eps;
      const scale = 1 / ((1 - beta1 ** steps) * size);
      for (let i = row * cols; i < (row + 1) * cols; i++) tangent.data[i] = scale * first[i]!;
    }
    return tangent;
  }

  /** Returns a copy of the state: `first` (n x d), `second` (n) and `steps` (1). */
  state(): Map<string, StateEntry> {
    return new Map<string, StateEntry>([
      ['first', entryOf(this.moment)],
      ['second', { shape: [this.#second.length], data: this.#second.slice() }],
      ['steps', { shape: [1], data: Float64Array.of(this.#steps) }],
    ]);
  }

  loadState(state: ReadonlyMap<string, StateEntry>): void {
    const steps = new Float64Array(1);
    this.load(state, { steps, first: this.moment.data, second: this.#second });
    this.#steps = steps[0]!;
  }
}

function entryOf<T extends Reals>({ data, rows, cols }: Matrix<T>): StateEntry<T> {
  return { shape: [rows, cols], data: data.slice() as T };
}

function rate(name: string, lr: number): number {
  if (typeof lr !== 'number') throw typeError(name, 'lr', 'a finite number of at least 0', quoted(lr));
  if (lr >= 0 && lr < Infinity) return lr;
  throw rangeError(name, 'lr', 'a finite number of at least 0', lr);
}
