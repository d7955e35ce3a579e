// Batches for the tests of the loss.
import { parametersOf } from '../lib/batch-loss.ts';
import {
  type ContrastiveLossName,
  type Geometry,
  type LossChoice,
  type LossResult,
  type Matrix,
  matrix,
  type Reals,
} from '../lib/index.ts';
import { headOf } from './metric-cases.ts';
import { type Heads, type LogitNumbers, type SimilarityNumbers, table } from './oracle.ts';
import { cloud, noise, type RealsType } from './support.ts';

/** Returns random unit rows, and independent points in the space of a geometry's distance. */
export function batch(
  type: RealsType,
  rows: number,
  cols: number,
  c: number,
  geometry: Geometry = 'hybrid',
): { euclidean: Matrix; hyperbolic: Matrix } {
  const euclidean = cloud(type, rows, cols, 1, 11);
  for (let i = 0; i < rows; ++i) {
    const row = euclidean.data.subarray(i * cols, (i + 1) * cols);
    const length = Math.hypot(...row);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return { euclidean, hyperbolic: headOf(geometry, cloud(type, rows, cols, 0.9 / Math.sqrt(c), 12), c) };
}

/** Well separated classes, ordered by class. The unit rows of a class are near one axis, its points near another. */
export function clusters(
  type: RealsType,
  classes: number,
  views: number,
  cols: number,
  c: number,
  geometry: Geometry = 'hybrid',
): { euclidean: Matrix; hyperbolic: Matrix } {
  const next = noise(21);
  const made = (radius: number, shift: number) => {
    const rows = Array.from({ length: classes * views }, (_, i) => {
      const axis = (Math.floor(i / views) + shift) % classes;
      const row = Array.from({ length: cols }, (_, k) => 0.1 * next() + (k === axis % cols ? 1 : 0));
      const scale = ((axis < cols ? 1 : -1) * radius) / Math.hypot(...row);
      return row.map((value) => value * scale);
    });
    return matrix(type.from(rows.flat()), rows.length, cols);
  };
  return { euclidean: made(1, 0), hyperbolic: headOf(geometry, made(0.8 / Math.sqrt(c), 3), c) };
}

/** Returns the unit row and the point of every sample. */
export function samplesOf({ euclidean, hyperbolic }: Record<'euclidean' | 'hyperbolic', Matrix>): Heads[] {
  const [e, h] = [table(euclidean.data, euclidean.cols), table(hyperbolic.data, hyperbolic.cols)];
  return e.map((row, i) => ({ e: row, h: h[i]! }));
}

/** Returns the gradient of each matrix as one array, and then all gradients of scalar parameters as another. */
export function gradients({ gradEuclidean, gradHyperbolic, gradParams }: LossResult): Reals[] {
  const rows = [gradEuclidean, gradHyperbolic].flatMap((each) => (each === undefined ? [] : [each.data]));
  return [...rows, Float64Array.from(Object.values(gradParams!))];
}

/** Returns the options of a loss: all parameters of the logit, and of the other numbers only those that the loss accepts. */
export function optionsOf(
  loss: ContrastiveLossName,
  { tauE, tauH, lambda, c, ...numbers }: LogitNumbers & SimilarityNumbers,
): LogitNumbers & LossChoice {
  const own = Object.entries(numbers).filter(([name]) => name in parametersOf(loss));
  return { tauE, tauH, lambda, c, ...({ loss, ...Object.fromEntries(own) } as LossChoice) };
}
