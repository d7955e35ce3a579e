import { type Matrix, type Metric, matrix, metricCard, topK } from '../../lib/index.ts';
import { distances, nearest, table } from '../../test/oracle.ts';
import { allowed, peerError } from '../../test/tolerances.ts';
import { ballPoints, unitRows } from '../inputs.ts';
import { type JsPeers, needed, usearchSearch } from '../js-peers.ts';
import type { Labels } from '../results.ts';
import type { MatrixShape } from '../shapes.ts';
import type { OwnSide, PeerSide, Suite } from '../suite.ts';
import { input, productNames, products } from './product.ts';

const c = 0.1;
/** Numbers of queries: a few, and enough for faiss to reach its best rate. */
export const queryCounts = [512, 4096] as const;

/** Returns the suite of exact searches of a large gallery. */
export function searchSuite(
  shape: MatrixShape,
  k: number,
  queryCount: number,
  threads: number,
  js: JsPeers,
  full: boolean,
): Suite {
  const gallery = ballPoints(unitRows(shape.rows, shape.dim, 5, 31, 'float32'), c, 32);
  const queries = everyNth(gallery, queryCount);
  const flops = 2 * queryCount * shape.rows * shape.dim;
  const labels = (geometry: string): Labels => ({
    op: `topK, k = ${k}`,
    shape: shape.name,
    n: queryCount,
    m: shape.rows,
    dim: shape.dim,
    views: 0,
    type: 'float32',
    geometry,
    heads: '',
    guards: 'clean',
    pass: 'forward',
  });
  const side = (metric: Metric): OwnSide => {
    const search = () => topK.sync(queries, gallery, { k, metric, c, threads });
    return {
      name: metric,
      labels: labels(metric),
      flops,
      run: search,
      probe: () => [...search().indices.subarray(0, 4 * k)],
      ...(metric === 'poincare' ? { peak: true } : { against: 'poincare' }),
    };
  };
  const own = (['poincare', 'euclidean', 'cosine'] as const).map(side);
  const answer = () => usearchSearch(needed(js.usearch), queries, gallery, k, threads);
  // Only with --full, because it is twenty times slower than the other sides.
  if (full && queryCount === queryCounts[0])
    own.push({
      name: 'usearch exactSearch',
      side: 'usearch exactSearch',
      labels: labels('euclidean'),
      flops,
      run: answer,
      probe: () => Array.from(answer().subarray(0, 4 * k), Number),
      same: { as: 'euclidean', within: peerError.ranking },
      against: 'poincare',
    });
  const flat = (name: string, geometry: string, same?: PeerSide['same']): PeerSide => ({
    name,
    labels: labels(geometry),
    params: { k },
    inputs: { queries: 'queries', gallery: 'gallery' },
    flops,
    against: 'poincare',
    bar: { of: 'ratio', atLeast: 1 },
    ...(same === undefined ? {} : { same }),
  });
  return {
    name: searchName(k, queryCount),
    arrays: { gallery: input(gallery), queries: input(queries) },
    own,
    peers: [
      flat('faiss IndexFlatL2', 'euclidean', { as: 'euclidean', within: peerError.ranking }),
      flat('faiss IndexFlatIP', 'inner product'),
      // The matrix products write all their results; the other sides return only the nearest rows.
      ...products({ ...labels(''), op: 'sgemm' }, { x: 'queries', y: 'gallery' }, flops),
    ],
    peakRate: productNames,
    check: () => checkSearch(queries, gallery, k),
  };
}

export function searchName(k: number, queryCount: number): string {
  return `search k=${k}, ${queryCount} queries`;
}

function everyNth({ data, rows, cols }: Matrix, count: number): Matrix {
  const stride = Math.floor(rows / count);
  const out = new Float32Array(count * cols);
  for (let i = 0; i < count; ++i) {
    out.set(data.subarray(i * stride * cols, (i * stride + 1) * cols), i * cols);
  }
  return matrix(out, count, cols);
}

/**
 * Compares the first query's ranking with the oracle's. Rows whose distances differ by less than their errors may be in
 * either order.
 */
function checkSearch(queries: Matrix, gallery: Matrix, k: number): void {
  const firstQuery = matrix(queries.data.subarray(0, queries.cols), 1, queries.cols);
  const rows = table(gallery.data, gallery.cols);
  const [query = []] = table(firstQuery.data, firstQuery.cols);
  for (const metric of ['poincare', 'euclidean', 'cosine'] as const) {
    const { indices } = topK.sync(firstQuery, gallery, { k, metric, c });
    const ofBoth = 2 * allowed(Float32Array, metricCard(metric).tolerance.value);
    const far = rows.map((row) => distances[metric]!(query, row, c));
    nearest(far, k).forEach((truth, place) => {
      const found = indices[place]!;
      if (!(Math.abs(far[found]! - far[truth]!) <= ofBoth * far[truth]!)) {
        throw new Error(`${metric}, rank ${place}: row ${found}, the oracle's is ${truth}`);
      }
    });
  }
}
