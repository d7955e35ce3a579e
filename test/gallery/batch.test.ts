// A batch of queries gives the same bits as single queries, whether it is searched by lists or by tiles.
import test from 'ava';
import { pause, type Steps } from '../../lib/call/run.ts';
import { metricCards } from '../../lib/cards.ts';
import { leastTiled, rowsPerCandidate, searchBatch } from '../../lib/gallery/batch.ts';
import { buildIndex, mostLists, type ProbeOptions, searchLists } from '../../lib/gallery/lists.ts';
import { Gallery, type Matrix, type Metric, matrix, type Reals } from '../../lib/index.ts';
import { cloud, failure, noise, type RealsType, types } from '../support.ts';

const cols = 9;
const count = 16 * rowsPerCandidate;
const c = 0.7;
const listed = metricCards().filter(({ points }) => points !== 'hyperboloid');

/** Rows without clusters: pairs of duplicates, a copy of row 4 per 1,000, points near and outside the rim, and NaN. */
function scattered(type: RealsType, rows: number, seed: number, scale = 1): Matrix {
  const { data } = cloud(type, rows, cols, 0.9, seed);
  const row = (i: number) => data.subarray(i * cols, (i + 1) * cols);
  for (let i = 0; i < rows; ++i) {
    if (i % 40 === 3) row(i).set(row(i - 2));
    if (i % 40 === 4 && i >= 1000 && i % 1000 < 40) row(i).set(row(4));
    if (i % 900 === 5) row(i)[0] = Number.NaN;
    const norm = i % 50 === 6 ? 0.9999 / Math.sqrt(c) : i % 50 === 7 ? 2 : 0;
    const by = norm > 0 ? norm / Math.hypot(...row(i)) : 1;
    for (let k = 0; k < cols; ++k) row(i)[k]! *= by * scale;
  }
  return matrix(data, rows, cols);
}

/** Runs steps, and counts the calls of the core. */
function run<R>(steps: Steps<R>): { found: R; calls: number } {
  for (let calls = 0; ; ) {
    const { done, value } = steps.next();
    if (done) return { found: value, calls };
    if (value === pause) continue;
    value.start(0);
    ++calls;
  }
}

/**
 * Searches a batch and, for the expected result `want`, the same queries by lists alone. `calls` counts the calls of the core
 * for the batch: three if it chooses the lists, one if it does not consider tiles.
 */
function both(
  queries: Matrix,
  rows: Matrix,
  metric: Metric,
  given: Partial<ProbeOptions> & { lists: number },
) {
  const { lists, ...options } = {
    k: 10,
    probes: mostLists,
    exclude: undefined,
    allowed: undefined,
    ...given,
  };
  const about = metricOf(metric);
  const { found: index } = run(buildIndex('test', rows, about, { lists, device: 'cpu' }));
  const want = run(searchLists('test', queries, rows, index, about, options)).found;
  return { want, ...run(searchBatch('test', queries, rows, index, about, options)) };
}
const metricOf = (metric: Metric) => (metric === 'poincare' ? { metric, c } : { metric });

for (const type of types) {
  for (const { name } of listed) {
    test(`${type.name}: ${name}: tiles give the bits of the lists`, (t) => {
      const rows = scattered(type, count, 1);
      const queries = scattered(type, 2 * leastTiled + 3, 2);
      // Query 4 has 33 rows at distance 0, more than there are candidates.
      queries.data.set(rows.data.subarray(4 * cols, 5 * cols), 4 * cols);
      const allowed = Uint8Array.from({ length: count }, (_, i) => Number(i % 3 !== 0));
      const exclude = Int32Array.from({ length: queries.rows }, (_, i) => (i % 2 === 0 ? i : -1));
      for (const options of [{}, { k: 1, exclude }, { allowed, exclude }]) {
        const { found, want, calls } = both(queries, rows, name, { lists: 5, ...options });
        t.true(calls > 4, `${calls} calls`);
        t.deepEqual(found, want);
        t.true(found.proven.every((each) => each === 1));
      }
    });
  }
}

test('rounding errors of tiles do not change the order of rows at nearly the same distance', (t) => {
  const sphere = scattered(Float32Array, count, 3);
  for (let i = 0; i < count; ++i) {
    const row = sphere.data.subarray(i * cols, (i + 1) * cols);
    row.set(row.map((value) => (0.5 * value) / Math.hypot(...row)));
  }
  const queries = cloud(Float32Array, leastTiled, cols, 1e-5, 4);
  for (const metric of ['euclidean', 'poincare'] as const) {
    const { found, want, calls } = both(queries, sphere, metric, { lists: 5 });
    t.true(calls > 4, `${calls} calls`);
    t.deepEqual(found, want);
  }
});

test('squares beyond the range of float32 do not change the result', (t) => {
  for (const scale of [1e-21, 1e-9, 1, 1e14]) {
    const rows = scattered(Float32Array, count, 3, scale);
    const queries = scattered(Float32Array, leastTiled, 4, scale);
    // Query 1 is near rows for which the sum of the squared norms is finite in float32, and nearest to one for which it
    // is not. Centers are computed from a sample without these rows.
    const place = (data: Reals, i: number, first: number) =>
      (data.subarray(i * cols, (i + 1) * cols).fill(0)[0] = first);
    for (let i = 0; i < 20; ++i) place(rows.data, 700 + i, 1.3041e19 + i * 2e13);
    place(rows.data, 720, 1.3045e19);
    place(queries.data, 1, 1.3044e19);
    const { found, want } = both(queries, rows, 'euclidean', { lists: 5 });
    t.is(found.indices[10], 720, `${scale}`);
    t.deepEqual(found, want, `${scale}`);
  }
});

/** Returns rows around 50 centers. `spread` returns the largest deviation of a row's coordinates. */
function clustered(rows: number, seed: number, spread: (row: number) => number): Matrix<Float32Array> {
  const next = noise(seed);
  const centers = cloud(Float32Array, 50, cols, 0.9, 6).data;
  const data = new Float32Array(rows * cols);
  data.forEach((_, at) => {
    const row = Math.floor(at / cols);
    data[at] = centers[(row % 50) * cols + (at % cols)]! + spread(row) * next();
  });
  return matrix(data, rows, cols);
}

test('lists are used if they rule out half of the rows, for few queries and for small galleries', (t) => {
  const tight = clustered(count, 5, () => 0.01);
  const queries = clustered(leastTiled, 7, () => 0.01);
  const lists = both(queries, tight, 'poincare', { lists: 50 });
  t.deepEqual([lists.calls, lists.found], [3, lists.want]);
  const rows = scattered(Float32Array, count, 1);
  const few = both(scattered(Float32Array, leastTiled - 1, 2), rows, 'poincare', { lists: 5 });
  t.deepEqual([few.calls, few.found], [1, few.want]);
  const many = both(scattered(Float32Array, leastTiled, 2), rows, 'poincare', { lists: 5, k: 11 });
  t.deepEqual([many.calls, many.found], [1, many.want]);
});

test('queries of one batch can be searched in different ways', (t) => {
  const rows = clustered(count, 5, (row) => (row % 2 === 0 ? 0.005 : 0.3));
  // Every 80th query decides between lists and tiles (lib/gallery/batch.ts); here, all of these are near a center.
  const queries = clustered(640, 7, (row) => (row % 80 < 40 ? 0.005 : 0.3));
  const { found, want, calls } = both(queries, rows, 'euclidean', { lists: 60 });
  t.true(calls > 4, `${calls} calls`);
  t.deepEqual(found, want);
});

test('a query of a batch can share all its candidates with earlier queries', (t) => {
  const rows = scattered(Float32Array, count, 1);
  const query = scattered(Float32Array, 1, 2);
  const queries = matrix(
    Float32Array.from({ length: 640 * cols }, (_, i) => query.data[i % cols]!),
    640,
    cols,
  );
  const { found, want } = both(queries, rows, 'poincare', { lists: 60 });
  t.deepEqual(found, want);
});

test('a batch of more than 4,096 queries, which needs several decisions, has the same results', (t) => {
  const rows = scattered(Float32Array, count, 1);
  const { found, want } = both(scattered(Float32Array, 4200, 2), rows, 'cosine', { lists: 5, k: 2 });
  t.deepEqual(found, want);
});

test('in a gallery, a batch has the results of single queries', async (t) => {
  using gallery = new Gallery<Reals>({ c });
  const rows = scattered(Float32Array, count + 900, 1);
  const part = (from: number, to: number) =>
    matrix(rows.data.subarray(from * cols, to * cols), to - from, cols);
  const labels = Int32Array.from({ length: rows.rows }, (_, i) => i % 4);
  await gallery.add(part(0, count + 800), labels.subarray(0, count + 800));
  await gallery.buildIndex({ lists: 6 });
  await gallery.remove(Array.from({ length: 700 }, (_, i) => i * 3));
  await gallery.add(part(count + 800, count + 900), labels.subarray(count + 800));
  const queries = part(0, leastTiled);
  const exclude = Int32Array.from({ length: leastTiled }, (_, i) => i);
  for (const options of [{}, { labels: [1, 3] }, { exclude }]) {
    const batch = await gallery.topK(queries, { k: 7, ...options });
    for (let i = 0; i < leastTiled; ++i) {
      const own = 'exclude' in options ? { exclude: [i] } : options;
      const one = gallery.topK.sync(part(i, i + 1), { k: 7, ...own });
      const [begin, end] = [i * 7, i * 7 + 7];
      t.deepEqual(one.indices, batch.indices.slice(begin, end), `query ${i}`);
      t.deepEqual(one.distances, batch.distances.slice(begin, end), `query ${i}`);
      t.is(batch.proven[i], 1);
    }
  }
  const wrong = await failure(() => gallery.topK(queries, { k: 7, exclude: exclude.subarray(1) }));
  t.is(wrong.code, 'ERR_HOROBALL_SHAPE');
});

test('a batch can be canceled', async (t) => {
  using gallery = new Gallery<Reals>({ c });
  await gallery.add(scattered(Float32Array, count, 1));
  await gallery.buildIndex({ lists: 5 });
  for (const turns of [0, 1, 20]) {
    const controller = new AbortController();
    const search = gallery.topK(scattered(Float32Array, 4096, 2), { k: 3, signal: controller.signal });
    for (let turn = 0; turn < turns; ++turn) await new Promise(setImmediate);
    controller.abort(new Error('enough'));
    await t.throwsAsync(search, { message: 'enough' });
  }
});
