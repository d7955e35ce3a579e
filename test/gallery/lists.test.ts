// Checks searches of an indexed gallery against all distances, computed in float64.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { metricCard, metricCards } from '../../lib/cards.ts';
import { Gallery, type Matrix, type Metric, matrix, pairwiseDistance, type Reals } from '../../lib/index.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/index.ts';
import { cloud, failure, noise, type RealsType, types } from '../support.ts';

type Any = Gallery<Reals>;
const c = 0.7;
/** The metrics that an index supports. */
const listed = metricCards()
  .filter(({ points }) => points !== 'hyperboloid')
  .map(({ name }) => name);

/**
 * Clusters with duplicates, near-duplicates, the origin, points near and outside the rim, and non-finite rows, which are
 * never found.
 */
function edgeCaseRows(type: RealsType, rows: number, cols: number, seed: number): Matrix {
  const next = noise(seed);
  const data = cloud(type, rows, cols, 0.6, seed).data;
  const centers = cloud(Float64Array, 12, cols, 0.5, seed + 1).data;
  const edge = 1 / Math.sqrt(c);
  for (let i = 0; i < rows; ++i) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const center = centers.subarray((i % 12) * cols, ((i % 12) + 1) * cols);
    const spread = 10 ** -(i % 7);
    row.forEach((value, k) => {
      row[k] = center[k]! * 0.8 + spread * 0.1 * value;
    });
    const norm = Math.hypot(...row);
    const place = i % 50;
    const to = place === 1 ? 0 : place === 2 ? 0.999 * edge : place === 3 ? 1.5 * edge : norm;
    row.forEach((value, k) => {
      row[k] = norm === 0 ? 0 : (value * to) / norm;
    });
    if (place === 4 && i > 100) row.set(data.subarray((i - 100) * cols, (i - 99) * cols));
    if (place === 5) row[0] = next() < 0 ? Number.NaN : Number.POSITIVE_INFINITY;
  }
  return matrix(data, rows, cols);
}

/** The nearest rows by their distance in float64, rounded like the result; ties go to the lower row index. */
function nearestRows(
  queries: Matrix,
  rows: Matrix,
  metric: Metric,
  k: number,
): { indices: Int32Array; distances: Reals } {
  const wide = ({ data, rows, cols }: Matrix) => matrix(Float64Array.from(data), rows, cols);
  const all = pairwiseDistance.sync(wide(queries), wide(rows), { metric, c }).data;
  const indices = new Int32Array(queries.rows * k).fill(-1);
  const Type = queries.data.constructor as RealsType;
  const distances = new Type(queries.rows * k).fill(Number.POSITIVE_INFINITY);
  // A point outside the ball is at distance 0 from itself, but never found.
  const isInside = (row: number): boolean =>
    metricCard(metric).points !== 'ball' ||
    Math.hypot(...rows.data.subarray(row * rows.cols, (row + 1) * rows.cols)) ** 2 * c < 1;
  const round = Type.name === 'Float32Array' ? Math.fround : Number;
  for (let i = 0; i < queries.rows; ++i) {
    const far = Array.from(all.subarray(i * rows.rows, (i + 1) * rows.rows), round);
    const order = far.map((_, j) => j).filter((j) => far[j]! < Number.POSITIVE_INFINITY && isInside(j));
    order.sort((a, b) => far[a]! - far[b]! || a - b);
    order.slice(0, k).forEach((j, place) => {
      indices[i * k + place] = j;
      distances[i * k + place] = far[j]!;
    });
  }
  return { indices, distances };
}

/**
 * Fails if the distances of a proven result are wrong, and returns the number of proven results. Only distances are
 * compared, because several rows may have the same distance.
 */
function sameWhereProven(
  t: ExecutionContext,
  metric: Metric,
  got: { distances: Reals; indices: Int32Array; proven: Uint8Array },
  want: { distances: Reals },
  what: string,
): number {
  const queries = got.proven.length;
  const k = got.indices.length / queries;
  const { float32, float64 } = metricCard(metric).tolerance.value;
  const tolerance = got.distances instanceof Float32Array ? float32 : float64;
  let count = 0;
  for (let i = 0; i < queries; ++i) {
    if (got.proven[i] !== 1) continue;
    ++count;
    for (let place = i * k; place < (i + 1) * k; ++place) {
      const [found, true_] = [got.distances[place]!, want.distances[place]!];
      if (found === true_ || Math.abs(found - true_) <= tolerance * true_ + 1e-300) continue;
      t.fail(`${what}: query ${i}, rank ${place - i * k}: distance ${found}, nearest is ${true_}`);
      return count;
    }
  }
  return count;
}

for (const type of types) {
  for (const metric of listed) {
    for (const cols of [1, 2, 19, 33]) {
      test(`${type.name}: ${metric}, ${cols} columns: an index finds what an exact search finds`, async (t) => {
        const rows = edgeCaseRows(type, 700, cols, cols);
        const queries = edgeCaseRows(type, 120, cols, cols + 50);
        const want = nearestRows(queries, rows, metric, 9);
        using gallery: Any = new Gallery<Reals>({ metric, c });
        await gallery.add(rows);
        await gallery.buildIndex({ lists: 40 });
        const got = await gallery.topK(queries, { k: 9 });
        t.is(sameWhereProven(t, metric, got, want, 'all lists'), queries.rows);
        t.deepEqual(got, gallery.topK.sync(queries, { k: 9, threads: 1 }));
        for (let i = 0; i < 3; ++i) {
          const one = matrix(queries.data.subarray(i * cols, (i + 1) * cols), 1, cols);
          const alone = gallery.topK.sync(one, { k: 9, threads: 2 });
          t.deepEqual(alone.indices, got.indices.subarray(i * 9, i * 9 + 9), 'alone');
        }
        for (const probes of [1, 3, 15]) {
          const some = gallery.topK.sync(queries, { k: 9, probes });
          sameWhereProven(t, metric, some, want, `${probes} probes`);
        }
      });
    }
  }
}

test('most results are proven for clusters that are far apart, and few otherwise', async (t) => {
  const next = noise(5);
  const cols = 16;
  const centers = cloud(Float32Array, 30, cols, 2, 3);
  const draw = (count: number, spread: number) => {
    const data = new Float32Array(count * cols);
    for (let i = 0; i < data.length; ++i) {
      const center = centers.data[(((i / cols) % 30) | 0) * cols + (i % cols)]!;
      data[i] = 0.2 * center + spread * next();
    }
    return matrix(data, count, cols);
  };
  for (const [spread, least, most] of [
    [0.005, 0.9, 1],
    [0.5, 0, 0.2],
  ] as const) {
    using gallery = new Gallery({ metric: 'euclidean' });
    await gallery.add(draw(3000, spread));
    await gallery.buildIndex({ lists: 60 });
    const { proven } = gallery.topK.sync(draw(300, spread), { k: 5, probes: 4 });
    const rate = proven.reduce((sum, each) => sum + each, 0) / 300;
    t.true(rate >= least && rate <= most, `${rate}`);
  }
});

test('proven results are exact, for 20,000 queries at every distance scale', async (t) => {
  const cols = 7;
  for (const [metric, scale, type] of [
    ['poincare', 1e-4, Float32Array],
    ['poincare', 1, Float32Array],
    ['poincare', 1, Float64Array],
    ['euclidean', 1e4, Float32Array],
    ['euclidean', 1e-22, Float32Array],
    ['chordal', 1e-3, Float64Array],
    ['cosine', 1, Float32Array],
  ] as const) {
    const scaled = (of: Matrix) => matrix(type.from(of.data.map((value) => value * scale)), of.rows, cols);
    const rows = scaled(edgeCaseRows(type, 1500, cols, 9));
    using gallery: Any = new Gallery<Reals>({ metric, c });
    await gallery.add(rows);
    await gallery.buildIndex({ lists: 90 });
    const queries = scaled(edgeCaseRows(type, 3000, cols, 10));
    const want = nearestRows(queries, rows, metric, 4);
    for (const probes of [1, 2, 5, 20]) {
      const got = await gallery.topK(queries, { k: 4, probes });
      sameWhereProven(t, metric, got, want, `${metric} ${scale} ${type.name} ${probes}`);
    }
  }
  t.pass();
});

test('a list is not skipped because the squared distance of its center overflows', async (t) => {
  const [half, count] = [400, 40];
  const cols = 2 * half;
  // Two clusters: even rows in the first half of the columns, odd rows in the second. Row 21 is nearest to the origin.
  const fill = (data: Float32Array, row: number, size: number): unknown =>
    data.fill(size, row * cols + half * (row % 2), row * cols + half * (row % 2) + half);
  const sizes = [0.85e18, 0.95e18] as const;
  const data = new Float32Array(count * cols);
  for (let row = 0; row < count; ++row) fill(data, row, sizes[row % 2]! * (row === 21 ? 0.85 : 1));
  const centers = new Float32Array(2 * cols);
  for (const [list, size] of sizes.entries()) fill(centers, list, size);
  const folder = await mkdtemp(join(tmpdir(), 'horoball-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'gallery.safetensors');
  using gallery = new Gallery({ metric: 'euclidean' });
  await gallery.add(matrix(data, count, cols));
  await gallery.buildIndex({ lists: 2 });
  await gallery.save(path);
  // Assigns lists by cluster, because k-means would put row 21 into the list of the other cluster.
  const { tensors, metadata } = await readSafetensors(path);
  const lists = { shape: [count], data: Int32Array.from({ length: count }, (_, row) => row % 2) };
  const changed = { ...Object.fromEntries(tensors), lists, centers: { shape: [2, cols], data: centers } };
  await writeSafetensors(path, changed as never, { metadata });
  using loaded = (await Gallery.load(path)) as Any;
  const origin = matrix(new Float32Array(cols), 1, cols);
  t.deepEqual([...(await loaded.topK(origin, { k: 1 })).indices], [21]);
  const { indices, proven } = await loaded.topK(origin, { k: 1, probes: 1 });
  t.not(indices[0], 21);
  t.deepEqual([...proven], [0]);
});

test('finds added rows, but not removed, masked or excluded ones', async (t) => {
  const cols = 12;
  const rows = edgeCaseRows(Float32Array, 900, cols, 3);
  const part = (from: number, to: number) =>
    matrix(rows.data.subarray(from * cols, to * cols), to - from, cols) as Matrix<Float32Array>;
  const queries = edgeCaseRows(Float32Array, 80, cols, 4) as Matrix<Float32Array>;
  const labels = Int32Array.from({ length: 900 }, (_, i) => i % 5);
  const exclude = Int32Array.from({ length: 80 }, (_, i) => (i * 11) % 900);
  using plain = new Gallery({ c });
  using gallery = new Gallery({ c });
  const agree = (what: string) => {
    for (const k of [1, 6, plain.size]) {
      for (const options of [{ k }, { k, labels: [1, 4] }, { k, exclude }]) {
        const [got, want] = [gallery.topK.sync(queries, options), plain.topK.sync(queries, options)];
        t.is(sameWhereProven(t, 'poincare', got, want, `${what} ${k}`), 80);
        const isAllowed = (row: number, place: number) =>
          row < 0 ||
          ((options.labels === undefined || options.labels.includes(labels[row]!)) &&
            (options.exclude === undefined || options.exclude[Math.floor(place / k)] !== row));
        t.true(got.indices.every(isAllowed), what);
      }
    }
  };
  for (const each of [plain, gallery]) await each.add(part(0, 500), labels.subarray(0, 500));
  t.deepEqual({ ...(await gallery.buildIndex({ lists: 25 })), bytes: 0 }, { lists: 25, rows: 500, bytes: 0 });
  agree('built');
  for (const each of [plain, gallery]) await each.add(part(500, 700), labels.subarray(500, 700));
  agree('rows added');
  for (const each of [plain, gallery]) await each.remove(Array.from({ length: 60 }, (_, i) => i * 7));
  agree('rows removed');
  t.is((await gallery.buildIndex()).rows, 700);
  agree('built again, with the same centers');
  for (const each of [plain, gallery]) await each.add(part(700, 900), labels.subarray(700, 900));
  agree('moved to more memory');
  for (const each of [plain, gallery]) await each.remove(Array.from({ length: 500 }, (_, i) => i));
  agree('moved to less memory');
  for (const each of [plain, gallery]) await each.remove(Array.from({ length: 385 }, (_, i) => i + 500));
  agree('few remain');
});

test('a saved index loads, and a changed file never gives wrong results', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-'));
  const path = join(folder, 'gallery.safetensors');
  const cols = 10;
  const rows = edgeCaseRows(Float32Array, 600, cols, 6) as Matrix<Float32Array>;
  const queries = edgeCaseRows(Float32Array, 60, cols, 7) as Matrix<Float32Array>;
  try {
    using gallery = new Gallery({ c });
    await gallery.add(rows);
    await gallery.remove([3, 9, 400]);
    await gallery.buildIndex({ lists: 30 });
    await gallery.add(matrix(rows.data.slice(0, cols), 1, cols));
    await gallery.save(path);
    const want = gallery.topK.sync(queries, { k: 7 });
    using loaded = await Gallery.load(path);
    t.deepEqual(loaded.topK.sync(queries, { k: 7 }), want);
    t.deepEqual(
      loaded.topK.sync(queries, { k: 7, probes: 2 }),
      gallery.topK.sync(queries, { k: 7, probes: 2 }),
    );
    const { tensors, metadata } = await readSafetensors(path);
    const whole = Object.fromEntries(tensors);
    const { centers, lists } = whole as unknown as Record<
      'centers' | 'lists',
      { shape: number[]; data: Float32Array }
    >;
    const changed = async (tensors: Record<string, unknown>) => {
      await writeSafetensors(path, { ...whole, ...tensors } as never, { metadata });
      return Gallery.load(path) as Promise<Gallery<Float32Array>>;
    };
    // An index with other lists and centers is less efficient, but never wrong.
    const elsewhere = Int32Array.from(lists.data, (_, i) =>
      i % 3 === 0 ? -1 : i % 5 === 0 ? 2 ** 31 - 1 : i % 30,
    );
    for (const tensors of [
      { lists: { shape: lists.shape, data: elsewhere } },
      { centers: { shape: centers.shape, data: new Float32Array(centers.data.length) } },
      { centers: { shape: centers.shape, data: centers.data.map((value) => value * 1e17) } },
    ]) {
      using other = await changed(tensors);
      t.is(sameWhereProven(t, 'poincare', other.topK.sync(queries, { k: 7 }), want, 'other lists'), 60);
      sameWhereProven(
        t,
        'poincare',
        other.topK.sync(queries, { k: 7, probes: 3 }),
        want,
        'other lists, probed',
      );
    }
    for (const tensors of [
      { centers: undefined },
      { lists: undefined },
      { centers: { shape: [30 * cols], data: centers.data } },
      { centers: { shape: [60, cols / 2], data: centers.data } },
      { centers: { shape: [30, cols], data: Float64Array.from(centers.data) } },
      { centers: { shape: [0, cols], data: new Float32Array(0) } },
      { centers: { shape: [30, cols], data: new Float32Array(30 * cols).fill(Number.NaN) } },
      { centers: { shape: [30, cols], data: new Float32Array(30 * cols).fill(1e30) } },
      { lists: { shape: [599], data: new Int32Array(599) } },
      { lists: { shape: lists.shape, data: Float32Array.from(lists.data) } },
    ]) {
      const given = Object.fromEntries(
        Object.entries({ ...whole, ...tensors }).filter(([, tensor]) => tensor !== undefined),
      );
      await writeSafetensors(path, given as never, { metadata });
      t.is(
        (await failure(() => Gallery.load(path))).code,
        'ERR_HOROBALL_FORMAT',
        JSON.stringify(tensors).slice(0, 80),
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('building reports progress, can be canceled, and does not block searches', async (t) => {
  const rows = cloud(Float32Array, 40000, 16, 1.1, 2) as Matrix<Float32Array>;
  const queries = cloud(Float32Array, 20, 16, 1.1, 3) as Matrix<Float32Array>;
  using gallery = new Gallery({ c });
  await gallery.add(rows);
  const before = gallery.topK.sync(queries, { k: 5 });
  const reports: number[][] = [];
  const controller = new AbortController();
  const canceled = gallery.buildIndex({
    signal: controller.signal,
    onProgress: (...report) => {
      if (reports.push(report) === 3) controller.abort(new Error('enough'));
    },
  });
  const [during] = await Promise.all([
    gallery.topK(queries, { k: 5 }),
    t.throwsAsync(canceled, { message: 'enough' }),
  ]);
  t.deepEqual(during, before);
  reports.length = 0;
  const size = await gallery.buildIndex({ lists: 100, onProgress: (...report) => void reports.push(report) });
  t.true(size.bytes > 40000 * 16);
  t.true(reports.length > 10 && reports.every(([done], i) => i === 0 || done! > reports[i - 1]![0]!));
  t.deepEqual(reports.at(-1)![0], reports[0]![1]);
  sameWhereProven(t, 'poincare', await gallery.topK(queries, { k: 5 }), before, 'built');
  const together = await Promise.all([1, 2, 3, 4].map(() => gallery.topK(queries, { k: 5 })));
  for (const each of together) t.deepEqual(each, together[0]);
});

test('rejects options that an index does not support', async (t) => {
  const rows = cloud(Float32Array, 30, 4, 0.5, 1);
  using empty = new Gallery({ c });
  t.is((await failure(() => empty.buildIndex())).code, 'ERR_HOROBALL_SHAPE');
  for (const options of [{ metric: 'lorentz', c } as const, { c, compat: 'hypmix' } as const]) {
    using gallery: Any = new Gallery<Reals>(options);
    await gallery.add(rows);
    const { code, message } = await failure(() => gallery.buildIndex());
    t.is(code, 'ERR_HOROBALL_UNSUPPORTED');
    t.regex(
      message,
      /^\[Gallery\.buildIndex\] an index does not support the metric (lorentz|poincare with compat)\. Search/,
    );
  }
  using gallery: Any = new Gallery<Reals>({ c });
  await gallery.add(rows);
  for (const options of [{ lists: 0 }, { lists: 31 }, { lists: 1.5 }, { seed: -1 }])
    t.is(
      (await failure(() => gallery.buildIndex(options))).code,
      'ERR_HOROBALL_RANGE',
      JSON.stringify(options),
    );
  t.is((await failure(() => gallery.buildIndex({ list: 3 } as never))).code, 'ERR_HOROBALL_OPTION');
  t.is((await failure(() => gallery.topK(rows, { k: 1, probes: 0 }))).code, 'ERR_HOROBALL_RANGE');
  await gallery.buildIndex();
  t.is(
    (await failure(() => gallery.topK(cloud(Float32Array, 2, 5, 1), { k: 1 }))).code,
    'ERR_HOROBALL_SHAPE',
  );
  t.is(
    (await failure(() => gallery.topK(cloud(Float64Array, 2, 4, 1) as never, { k: 1 }))).code,
    'ERR_HOROBALL_TYPE',
  );
});
