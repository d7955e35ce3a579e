import {
  type Matrix,
  type Metric,
  matrix,
  type Reals,
  type RetrievalMetrics,
  retrievalMetrics,
} from '../../lib/index.ts';
import { distances, nearest, table } from '../../test/oracle.ts';
import { allowed, coreError, peerError, referenceError } from '../../test/tolerances.ts';
import { unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import type { EvaluationShape } from '../shapes.ts';
import { difference, type OwnSide, type Suite } from '../suite.ts';
import { within } from './loss-check.ts';
import { asType, input } from './product.ts';

/** Number of rows whose metrics the check recomputes by sorting. */
const checkedRows = 200;

/** Makes the embeddings and classes of a full test set. */
export function testSet({ rows, dim, perClass }: EvaluationShape): {
  x: Matrix<Float32Array>;
  classes: Int32Array;
} {
  const x = unitRows(rows, dim, perClass, 81, 'float32') as Matrix<Float32Array>;
  return { x, classes: Int32Array.from({ length: rows }, (_, i) => Math.floor(i / perClass)) };
}

/** Returns the suite of Recall@1, R-Precision and MAP@R of a full test set. */
export function evaluationSuite(shape: EvaluationShape, threads: number): Suite {
  const { rows, dim } = shape;
  const { x, classes } = testSet(shape);
  const labels = (geometry: string): Labels => ({
    op: 'retrievalMetrics',
    shape: shape.name,
    n: rows,
    m: rows,
    dim,
    views: 0,
    type: 'float32',
    geometry,
    heads: '',
    guards: 'clean',
    pass: 'forward',
  });
  const side = (metric: Metric): OwnSide => {
    const run = () => retrievalMetrics.sync(x, classes, { ks: [1], metric, c: 0.1, threads });
    return {
      name: metric,
      labels: labels(metric),
      flops: 2 * rows * rows * dim,
      run,
      probe: () => figures(run()),
      ...(metric === 'euclidean'
        ? { peak: true }
        : { against: 'euclidean', same: { as: 'euclidean', within: peerError.metricsOfOtherDistance } }),
    };
  };
  return {
    name: `evaluation ${shape.name}`,
    arrays: { x: input(x), labels: { data: classes, shape: [rows] } },
    // Unit rows are inside the ball of c = 0.1 and have the same ranking under all three metrics.
    own: (['euclidean', 'cosine', 'poincare'] as const).map(side),
    peers: [
      {
        name: 'pytorch-metric-learning AccuracyCalculator',
        labels: labels('euclidean'),
        params: {},
        inputs: { x: 'x', labels: 'labels' },
        against: 'euclidean',
        same: { as: 'euclidean', within: peerError.metrics },
        peak: true,
      },
    ],
    check: () => {
      // In float64, these distances differ by more than their rounding errors, so the order is unique.
      const part = asType(matrix(x.data.subarray(0, checkedRows * dim), checkedRows, dim), 'float64');
      const found = retrievalMetrics.sync(part, classes.subarray(0, checkedRows), {
        ks: [1],
        metric: 'cosine',
      });
      const error = difference(figures(found), bySorting(part.data, classes, dim));
      within('retrievalMetrics', error, allowed(Float64Array, coreError.rounding, referenceError.sums));
    },
  };
}

function figures({ recall, rPrecision, mapAtR }: RetrievalMetrics): number[] {
  return [recall[1]!, rPrecision, mapAtR];
}

/** Computes the three metrics of a few rows by sorting all distances of each row. */
function bySorting(data: Reals, classes: Int32Array, dim: number): number[] {
  const rows = table(data, dim);
  const sums = [0, 0, 0];
  rows.forEach((x, i) => {
    const order = nearest(
      rows.map((y) => distances['cosine']!(x, y, 1)),
      rows.length,
      i,
    );
    const hits = order.map((j) => classes[j] === classes[i]);
    const relevant = hits.filter(Boolean).length;
    const first = hits.slice(0, relevant);
    const precisions = first.map((hit, place) => (hit ? count(first.slice(0, place + 1)) / (place + 1) : 0));
    sums[0]! += hits[0] ? 1 : 0;
    sums[1]! += count(first) / relevant;
    sums[2]! += precisions.reduce((sum, value) => sum + value, 0) / relevant;
  });
  return sums.map((sum) => sum / rows.length);
}

function count(hits: readonly boolean[]): number {
  return hits.filter(Boolean).length;
}
