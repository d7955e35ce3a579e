import {
  type Geometry,
  geometryCard,
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  type Matrix,
  matrix,
  type Reals,
} from '../../lib/index.ts';
import { hybridLoss, slopeOf, table } from '../../test/oracle.ts';
import { allowed, referenceError } from '../../test/tolerances.ts';
import { normal, type Type } from '../inputs.ts';
import { lossSettings } from '../shapes.ts';
import { difference, type OwnSide } from '../suite.ts';
import { asType } from './product.ts';

/** A side with its call options. */
export interface CheckedLoss extends OwnSide {
  readonly options: LossOptions;
}

/** Number of classes for the oracle, which loops over all pairs of views like the published code. */
const checkedClasses = 8;
/** Step of the finite differences along the directions of {@link moved}. */
export const step = 1e-4;
/**
 * Whether a side is compared with the oracle: one with gradients, and without the published guards, which the oracle does not
 * implement. A side with guards is compared with the published loss instead.
 */
const hasOracle = ({ options }: CheckedLoss) => options.compat === undefined && options.grad !== false;

/**
 * Checks every side that has an oracle in float64 on the first classes (the value, and a directional derivative by
 * seven-point differences), and every float32 side at full size against float64 (value and all gradients).
 */
export function checkLosses(sides: readonly CheckedLoss[], views: number): void {
  for (const side of sides) {
    if (hasOracle(side)) checkOracle(side, views);
    checkRounding(side);
  }
}

function checkOracle({ name, options }: CheckedLoss, views: number): void {
  const first = ({ data, cols }: Matrix) =>
    matrix(data.subarray(0, checkedClasses * views * cols), checkedClasses * views, cols);
  const { out: _, ...rest } = options;
  const small = wide({ ...rest, ...inputs(options, first) });
  if (options.tied) normalize(small.euclidean!);
  const found = hybridContrastiveLoss.sync(small);
  const oracle = (by: number) => truth(small, views, by);
  const { value, gradient } = limitsOf(options.geometry).float64;
  within(`${name}, float64 value`, difference([found.loss], [oracle(0)]), value);
  const { gradEuclidean: e, gradHyperbolic: h } = found;
  const along = (e === undefined ? 0 : inner(e, 21)) + (h === undefined ? 0 : inner(h, 22));
  within(`${name}, float64 gradient`, difference([along], [slopeOf(oracle, step)]), gradient);
}

interface Limits {
  readonly value: number;
  readonly gradient: number;
  readonly parameters: number;
}

/** Returns the errors that a geometry's card allows; in float64, plus those of the oracle and of its finite differences. */
export function limitsOf(geometry: Geometry = 'hybrid'): Record<Type, Limits> {
  const { value, gradient, parameters } = geometryCard(geometry).tolerance;
  return {
    float64: {
      value: allowed(Float64Array, value, referenceError.sums),
      gradient: allowed(Float64Array, gradient, referenceError.sevenPoints),
      parameters: allowed(Float64Array, parameters, referenceError.sevenPoints),
    },
    float32: {
      value: allowed(Float32Array, value),
      gradient: allowed(Float32Array, gradient),
      parameters: allowed(Float32Array, parameters),
    },
  };
}

/** Scales rows to norm 1, as tied heads require: the norms of float32 rows differ from 1 by up to 1e-7. */
function normalize({ data, cols }: Matrix): void {
  for (let at = 0; at < data.length; at += cols) {
    const length = Math.hypot(...data.subarray(at, at + cols));
    for (let k = at; k < at + cols; ++k) data[k]! /= length;
  }
}

/** Returns the loss of the oracle, with each row displaced by `by` times a fixed random direction. */
function truth(options: LossOptions, views: number, by: number): number {
  const { geometry = 'hybrid', tied } = options;
  const { tauE, tauH, lambda, c } = lossSettings;
  const e = moved(options.euclidean, by, 21);
  // The published head: normalizes a row again, and maps it to the ball.
  const unit = (row: readonly number[]) => {
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  };
  const onBall = (row: readonly number[]) =>
    row.map((value) => (Math.tanh(Math.sqrt(c)) / Math.sqrt(c)) * value);
  const rows = tied ? e.map(unit) : e;
  const h = tied ? rows.map(onBall) : moved(options.hyperbolic, by, 22);
  return hybridLoss(rows, h, { geometry, views, tauE, tauH, lambda, c });
}

/** Returns the rows as a table, each displaced by `by` times a normal random direction drawn from `seed`. */
export function moved(rows: Matrix | undefined, by: number, seed: number): number[][] {
  if (rows === undefined) return [];
  const next = normal(seed);
  return table(
    Float64Array.from(rows.data, (value) => value + by * next()),
    rows.cols,
  );
}

function checkRounding({ name, options, labels }: CheckedLoss): void {
  if (labels.type === 'float64') return;
  const { out: _, ...rest } = options;
  const exact = hybridContrastiveLoss.sync(wide(rest));
  const found = hybridContrastiveLoss.sync(rest);
  const { value, gradient, parameters } = limitsOf(options.geometry).float32;
  within(`${name}, float32 value`, difference([found.loss], [exact.loss]), value);
  for (const key of ['gradEuclidean', 'gradHyperbolic'] as const) {
    if (exact[key] !== undefined)
      within(`${name}, float32 ${key}`, apart(found[key]!.data, exact[key].data), gradient);
  }
  if (exact.gradParams === undefined) return;
  const params = ({ gradParams }: LossResult) => Object.values(gradParams!);
  // A derivative that is near 0 because its terms cancel is compared relative to the loss.
  within(`${name}, float32 gradParams`, difference(params(found), params(exact), exact.loss), parameters);
}

function inputs(options: LossOptions, change: (rows: Matrix) => Matrix): Partial<LossOptions> {
  const { euclidean, hyperbolic } = options;
  return {
    ...(euclidean === undefined ? {} : { euclidean: change(euclidean) }),
    ...(hyperbolic === undefined ? {} : { hyperbolic: change(hyperbolic) }),
  };
}

function wide(options: LossOptions): LossOptions {
  return { ...options, ...inputs(options, (rows) => asType(rows, 'float64')) };
}

/** Throws if an error exceeds its limit, or is NaN. */
export function within(what: string, error: number, limit: number): void {
  if (!(error <= limit)) {
    throw new Error(`${what} is ${error.toExponential(1)} from the truth (limit ${limit})`);
  }
}

/** Returns the inner product of a gradient with the direction that {@link moved} draws from `seed`. */
export function inner({ data }: Matrix, seed: number): number {
  const next = normal(seed);
  return dot(data, Float64Array.from(data, next));
}

export function dot(a: Reals, b: Reals): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

/** Returns the norm of the difference divided by the norm of `exact`; 0 if they are equal. */
export function apart(found: ArrayLike<number>, exact: ArrayLike<number>): number {
  let [miss, size] = [0, 0];
  for (let i = 0; i < exact.length; ++i) {
    miss += (found[i]! - exact[i]!) ** 2;
    size += exact[i]! ** 2;
  }
  return miss === 0 ? 0 : Math.sqrt(miss / size);
}
