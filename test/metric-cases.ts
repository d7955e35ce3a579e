// Test cases for every metric and for the distance with the published guards: options, and points in the domain.

import { metrics } from '../lib/card-names.ts';
import {
  type Accuracy,
  type Geometry,
  geometryCard,
  type MetricCard,
  metricCard,
  type Tolerances,
} from '../lib/cards.ts';
import { type Matrix, type Metric, type MetricOptions, matrix, poincareToLorentz } from '../lib/index.ts';
import { dot, norm } from './oracle.ts';
import { cloud, type RealsType } from './support.ts';
import { allowed } from './tolerances.ts';

/** The name of a distance of the oracle: a metric, or `hypmix` for the published Poincaré distance. */
export type MetricCase = Metric | 'hypmix';
export const metricCases: readonly MetricCase[] = [...metrics, 'hypmix'];

/** Returns the options that select a distance in the core. */
export function optionsOf(name: MetricCase, c: number): MetricOptions {
  return name === 'hypmix' ? { c, compat: name } : { c, metric: name };
}

const cardOf = (name: MetricCase) => metricCard(name === 'hypmix' ? 'poincare' : name);

/** Converts points of the ball to the metric's space: the ball, or the hyperboloid. */
export function pointsOf(name: MetricCase, inBall: Matrix, c: number): Matrix {
  return cardOf(name).points === 'hyperboloid' ? poincareToLorentz.sync(inBall, { c }) : inBall;
}

/** Converts points of the ball to the space of a geometry's distance. */
export function headOf(geometry: Geometry, inBall: Matrix, c: number): Matrix {
  const { distance } = geometryCard(geometry);
  return distance === null ? inBall : pointsOf(distance, inBall, c);
}

/** Returns the Riemannian norm of a gradient at x; `points` names the space of x. */
export function lengthIn(
  points: MetricCard['points'],
  x: readonly number[],
  gradient: readonly number[],
  c: number,
): number {
  switch (points) {
    case 'ball':
      return ((1 - c * dot(x, x)) / 2) * norm(gradient);
    case 'hyperboloid': {
      // Raise the index, project to the tangent space, and take the Minkowski norm.
      const raised = gradient.map((v, k) => (k === 0 ? -v : v));
      const product = (a: readonly number[], b: readonly number[]) => dot(a, b) - 2 * a[0]! * b[0]!;
      const along = c * product(x, raised);
      const tangent = raised.map((v, k) => v + along * x[k]!);
      return Math.sqrt(product(tangent, tangent));
    }
    case 'anywhere':
      return norm(gradient);
  }
}

/** Error bounds of a card, in one element type. */
export type Limits = Readonly<Record<keyof Tolerances, number>>;

/** Returns the error bounds of a metric's card. */
export function accuracyOf(name: MetricCase): Accuracy {
  const { tolerance, publishedTolerance } = cardOf(name);
  return name === 'hypmix' ? publishedTolerance! : tolerance;
}

/** Returns the error bounds of a metric's card in one element type. */
export const limitsOf = (name: MetricCase, type: RealsType): Limits => limitsIn(type, accuracyOf(name));

/** Selects the bounds of one element type from a card's tolerances. */
export function limitsIn(type: RealsType, { value, gradient, parameters }: Tolerances): Limits {
  return {
    value: allowed(type, value),
    gradient: allowed(type, gradient),
    parameters: allowed(type, parameters),
  };
}

/** Returns a copy of a matrix in float64. */
export function wide({ data, rows, cols }: Matrix): Matrix<Float64Array> {
  return matrix(Float64Array.from(data), rows, cols);
}

/** Two rows whose coordinates have a relative difference of 0.01 + `part` or 0.01 - `part`, at random. */
export function pairOfRows(cols: number, part: number, seed: number): Matrix {
  const signs = cloud(Float64Array, 1, cols, 1, seed).data;
  const at = 0.5 / Math.sqrt(cols);
  const rows = [Array<number>(cols).fill(at * 1.01), [...signs].map((v) => at * (1 + part * Math.sign(v)))];
  return matrix(Float32Array.from(rows.flat()), 2, cols);
}
