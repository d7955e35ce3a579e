// The metrics, and the distance with the published guards: how each is asked for, and points of its domain.
import { type Matrix, type Metric, type MetricOptions, matrix, poincareToLorentz } from '../lib/index.ts';
import { metrics } from '../lib/pairwise.ts';

/** A name of the oracle's distances. */
export type MetricCase = Metric | 'hypmix';
export const metricCases: readonly MetricCase[] = [...metrics, 'hypmix'];

/** The options that ask for it. */
export function optionsOf(name: MetricCase, c: number): MetricOptions {
  return name === 'hypmix' ? { c, compat: name } : { c, metric: name };
}

/** Points of the ball as the metric takes them: lorentz wants them on the hyperboloid. */
export function pointsOf(name: MetricCase, inBall: Matrix, c: number): Matrix {
  return name === 'lorentz' ? poincareToLorentz.sync(inBall, { c }) : inBall;
}

/** The same numbers in float64. */
export function wide({ data, rows, cols }: Matrix): Matrix<Float64Array> {
  return matrix(Float64Array.from(data), rows, cols);
}
