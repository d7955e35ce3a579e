import type { CallOptions, Steps } from './call/run.ts';
import { gatherRows, inSlices, rowsPerSlice } from './call/slices.ts';
import type { MetricCard } from './cards.ts';
import { allocate, type Matrix, zeros } from './matrix.ts';
import { norm } from './norm.ts';
import { preparePairwiseVjp } from './pairwise.ts';

/** A metric, its c (the curvature is -c), and the options of the call. */
export interface SlopeOptions extends CallOptions {
  readonly metric: MetricCard;
  readonly c: number;
}

const ones = (operation: string, count: number): Matrix<Float64Array> => ({
  data: allocate(operation, new Float64Array(0), count).fill(1),
  rows: 1,
  cols: count,
});

/**
 * Returns an A x N matrix of gradient norms. Entry (i, j) is the norm of the gradient of the distance between anchor i
 * and row j of x (N x d) with respect to the anchor, in the space of the metric's points; 0 for coincident points. The
 * core computes the gradients, so this works for every metric.
 */
export function* slopesAt(
  operation: string,
  x: Matrix<Float64Array>,
  anchors: Int32Array,
  { metric, c, threads, device }: SlopeOptions,
): Steps<Matrix<Float64Array>> {
  const at = yield* gatherRows(operation, 'anchors', x, anchors);
  const cotangent = ones(operation, at.rows);
  const norms = zeros(operation, x.data, at.rows, x.rows);
  const options = { metric: metric.name, c, threads, device };
  const row = (data: Float64Array, i: number) => data.subarray(i * x.cols, (i + 1) * x.cols);
  for (let j = 0; j < x.rows && at.rows > 0; ++j) {
    const step = preparePairwiseVjp(operation, row(x.data, j), at, cotangent, options);
    yield step;
    const gradient = step.finish()[1]!.data;
    const measure = (begin: number, end: number): void => {
      for (let i = begin; i < end; ++i)
        norms.data[i * x.rows + j] = length(metric.points, row(at.data, i), row(gradient, i), c);
    };
    yield* inSlices(at.rows, measure, rowsPerSlice(16 * x.cols));
  }
  return norms;
}

/**
 * Returns the absolute derivative of the distance with respect to the angle between two points of norm r, for each cosine
 * distance; 0 for coincident points. It depends only on the norm and the angle, so the points are placed in a plane.
 */
export function* slopesByAngle(
  operation: string,
  r: number,
  { data: cosine, rows, cols }: Matrix<Float64Array>,
  { metric, c, threads, device }: SlopeOptions,
): Steps<Matrix<Float64Array>> {
  const count = cosine.length;
  const y = zeros(operation, cosine, count, 2);
  yield* inSlices(count, (begin, end) => {
    for (let k = begin; k < end; ++k) {
      const away = Math.min(cosine[k]!, 2);
      y.data[2 * k] = r * (1 - away);
      y.data[2 * k + 1] = r * Math.sqrt(away * (2 - away));
    }
  });
  const options = { metric: metric.name, c, threads, device };
  const step = preparePairwiseVjp(operation, Float64Array.of(r, 0), y, ones(operation, count), options);
  yield step;
  const gradient = step.finish()[1]!.data;
  const data = allocate(operation, cosine, count);
  yield* inSlices(count, (begin, end) => {
    for (let k = begin; k < end; ++k) {
      const at = 2 * k;
      data[k] = Math.abs(gradient[at + 1]! * y.data[at]! - gradient[at]! * y.data[at + 1]!);
    }
  });
  return { data, rows, cols };
}

/**
 * Returns the norm of a gradient at x: the Riemannian norm in the ball, the norm of the tangential part on the
 * hyperboloid, otherwise the Euclidean norm.
 */
function length(points: MetricCard['points'], x: Float64Array, gradient: Float64Array, c: number): number {
  const size = norm(gradient);
  if (points === 'anywhere') return size;
  if (points === 'ball') return ((1 - c * dot(x, x)) / 2) * size;
  // Raising the gradient's index negates its first coordinate, so its Minkowski product with x is dot(x, gradient).
  const along = dot(x, gradient);
  const square = dot(gradient, gradient) - 2 * gradient[0]! ** 2 + c * along * along;
  return Math.sqrt(Math.max(0, square));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, k) => sum + value * b[k]!, 0);
}
