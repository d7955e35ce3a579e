// A search of indexed rows and rows added later gives the result of one search of all rows.
import test from 'ava';
import { Gallery, type Matrix, type MetricOptions, matrix, type Reals, topK } from '../../lib/index.ts';
import { cloud, type RealsType, types } from '../support.ts';

const cols = 3;
const part = (rows: Matrix, from: number, to: number): Matrix =>
  matrix(rows.data.subarray(from * cols, to * cols), to - from, cols);

/** A gallery with an index of the first `covered` rows. */
async function partlyIndexed(
  rows: Matrix,
  covered: number,
  metric: MetricOptions = { metric: 'euclidean' },
): Promise<Gallery<Reals>> {
  const gallery = new Gallery<Reals>(metric);
  await gallery.add(part(rows, 0, covered));
  await gallery.buildIndex({ lists: Math.min(4, covered) });
  if (covered < rows.rows) await gallery.add(part(rows, covered, rows.rows));
  return gallery;
}

/** Whole numbers, whose distances are exact. Each row occurs four times: rows 0, 10, 20 and 30 are equal. */
function repeated(type: RealsType): Matrix {
  const data = cloud(type, 10, cols, 9).data.map(Math.round);
  return matrix(type.from(Array.from({ length: 4 }, () => [...data]).flat()), 40, cols);
}

for (const type of types) {
  test(`${type.name}: ties go to the lower row number, indexed or not`, async (t) => {
    const rows = repeated(type);
    const queries = part(rows, 0, 10);
    for (const covered of [1, 15, 39, 40]) {
      using gallery = await partlyIndexed(rows, covered);
      for (const k of [1, 6, 40]) {
        const { indices, distances, proven } = gallery.topKSync(queries, { k });
        const want = topK.sync(queries, rows, { k, metric: 'euclidean' });
        t.deepEqual([...indices], [...want.indices], `${covered} of 40 rows, k ${k}`);
        t.deepEqual([...distances], [...want.distances], `${covered} of 40 rows, k ${k}`);
        t.true(proven.every((each) => each === 1));
      }
    }
  });

  test(`${type.name}: exclusions apply to indexed rows and to rows added later`, async (t) => {
    const rows = repeated(type);
    const queries = part(rows, 0, 10);
    using gallery = await partlyIndexed(rows, 15);
    for (const first of [0, 14, 15, 30, -1]) {
      const exclude = Int32Array.from({ length: 10 }, (_, i) => (first < 0 ? -1 : (first + i) % 40));
      const got = gallery.topKSync(queries, { k: 40, exclude });
      const want = topK.sync(queries, rows, { k: 40, metric: 'euclidean', exclude });
      t.deepEqual([...got.indices], [...want.indices], `from ${first}`);
    }
  });
}

test('missing neighbors are -1 at infinite distance, and a point at infinite distance is not found', async (t) => {
  const rows = matrix(Float64Array.of(0, 0, 0, 0.1, 0, 0, 1, 0, 0, 0.2, 0, 0), 4, cols); // row 2 is on the rim
  for (const covered of [1, 2, 3]) {
    using gallery = await partlyIndexed(rows, covered, { c: 1 });
    const { indices, distances } = gallery.topKSync(part(rows, 0, 1), { k: 4, exclude: Int32Array.of(1) });
    t.deepEqual([...indices], [0, 3, -1, -1], `${covered}`);
    t.deepEqual([...distances.subarray(2)], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  }
});

test('zero queries give an empty result', async (t) => {
  using gallery = await partlyIndexed(repeated(Float32Array), 15);
  const { indices, proven } = gallery.topKSync(matrix(new Float32Array(0), 0, cols), { k: 3 });
  t.deepEqual([indices.length, proven.length], [0, 0]);
});
