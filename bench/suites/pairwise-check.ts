import { type Matrix, type Metric, type MetricCard, matrix, metricCard } from '../../lib/index.ts';
import { distances, hypmixDistance, table } from '../../test/oracle.ts';
import { allowed, referenceError } from '../../test/tolerances.ts';
import { normal, reals } from '../inputs.ts';
import { difference } from '../suite.ts';
import { corners } from './corner.ts';
import type { Checked } from './pairwise-sides.ts';

const step = 1e-5;

/** Returns the errors that the card of a side's metric allows. */
function toleranceOf({ labels: { geometry, guards } }: Checked): MetricCard['tolerance'] {
  const card = metricCard(geometry as Metric);
  return guards === 'compat' ? card.publishedTolerance! : card.tolerance;
}

const isOnHyperboloid = ({ labels: { geometry } }: Checked) =>
  metricCard(geometry as Metric).points === 'hyperboloid';

const typeOf = ({ labels: { type } }: Checked) => (type === 'float64' ? Float64Array : Float32Array);

/** Compares every side's distances or gradients at the first and last rows with float64 formulas. */
export function checkAll(sides: readonly Checked[], c: number): void {
  for (const side of sides) {
    if (side.gradients !== undefined) checkGradients(side, c);
    else checkDistances(side, c);
  }
}

type Formula = (x: readonly number[], y: readonly number[]) => number;

function oracle({ labels: { geometry, guards } }: Checked, c: number): Formula {
  return guards === 'compat' ? (x, y) => hypmixDistance(x, y, c) : (x, y) => distances[geometry]!(x, y, c);
}

function checkDistances(side: Checked, c: number): void {
  const [xs, ys] = [ends(side.x), ends(side.y)];
  const formula = geometryOf(side, c);
  // The first row of x with the first rows of y, the last row with the last ones.
  const truth = ys.map((y, j) => formula(xs[j < corners ? 0 : 2 * corners - 1]!, y));
  const error = difference(side.probe!(), truth, 1e-3);
  const limit = allowed(typeOf(side), toleranceOf(side).value, referenceError.closedForms);
  if (!(error <= limit))
    throw new Error(`${side.name} is ${error.toExponential(1)} from the oracle (limit ${limit})`);
}

/**
 * Returns the formula for a side. On hyperboloid rows, formulas lose half of their digits at small distances, so the
 * rows are first mapped to the ball.
 */
function geometryOf(side: Checked, c: number): Formula {
  if (!isOnHyperboloid(side)) return oracle(side, c);
  const inBall = ([t = 0, ...x]: readonly number[]) => x.map((value) => value / (1 + Math.sqrt(c) * t));
  return (x, y) => distances['poincare']!(inBall(x), inBall(y), c);
}

/**
 * Compares the derivative along a random direction, for a cotangent that is 1 in two corner blocks of the matrix, with the
 * oracle's central difference. The error is relative to the typical magnitude of such a derivative, which may be near 0 by
 * chance.
 */
function checkGradients(side: Checked, c: number): void {
  const { x, y } = side;
  const [first, last] = [corners * y.rows, x.rows * y.rows];
  const cotangent = matrix(reals(side.labels.type as 'float32' | 'float64', last), x.rows, y.rows);
  for (let i = 0; i < corners; ++i) {
    cotangent.data.fill(1, i * y.rows, i * y.rows + corners);
    const row = last - first + i * y.rows;
    cotangent.data.fill(1, row + y.rows - corners, row + y.rows);
  }
  const gradients = side.gradients!(cotangent).map(ends);
  const points = [x, y].map(ends);
  const next = normal(91);
  const { lift, tangent } = isOnHyperboloid(side) ? sheet(c) : flat;
  const along = points.map((rows) => rows.map((row) => tangent(row, row.map(next))));
  const formula = geometryOf(side, c);
  const at = (by: number) => sum(formula, moved(points, along, by, lift));
  const slope = (at(step) - at(-step)) / (2 * step);
  const [all, ways] = [gradients.flat(2), along.flat(2)];
  const found = all.reduce((total, g, i) => total + g * ways[i]!, 0);
  const scale = Math.hypot(...all);
  const error = Math.abs(found - slope) / scale;
  const limit = allowed(typeOf(side), toleranceOf(side).gradient, referenceError.differences);
  if (!(error <= limit)) {
    throw new Error(
      `${side.name}: a derivative is ${error.toExponential(1)} from the oracle's (limit ${limit})`,
    );
  }
}

/** Returns the sum of the distances in the two corner blocks. */
function sum(formula: Formula, [xs, ys]: readonly number[][][]): number {
  let total = 0;
  for (const begin of [0, corners]) {
    for (let i = begin; i < begin + corners; ++i) {
      for (let j = begin; j < begin + corners; ++j) total += formula(xs![i]!, ys![j]!);
    }
  }
  return total;
}

type Way = (row: readonly number[], direction: readonly number[]) => number[];

/** The surface on which points may move: all of space, or only the hyperboloid if distances are not defined elsewhere. */
interface Surface {
  /** Projects a moved row back onto the surface. */
  lift(row: readonly number[]): number[];
  /** Projects a free direction onto the tangent space. */
  readonly tangent: Way;
}

const flat: Surface = { lift: (row) => [...row], tangent: (_, direction) => [...direction] };

function sheet(c: number): Surface {
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, k) => sum + value * b[k]!, 0);
  return {
    lift: ([_, ...x]) => [Math.sqrt(1 / c + dot(x, x)), ...x],
    tangent: ([t = 1, ...x], [_, ...direction]) => [dot(x, direction) / t, ...direction],
  };
}

function moved(
  points: readonly number[][][],
  along: readonly number[][][],
  by: number,
  lift: Surface['lift'],
): number[][][] {
  return points.map((rows, side) =>
    rows.map((row, i) => lift(row.map((value, k) => value + by * along[side]![i]![k]!))),
  );
}

/** Returns the first `corners` rows and the last. */
function ends({ data, rows, cols }: Matrix): number[][] {
  const first = table(data.subarray(0, corners * cols), cols);
  return [...first, ...table(data.subarray((rows - corners) * cols), cols)];
}
