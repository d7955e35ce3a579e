import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Gallery, matrix, type Reals, toInnerProductIndex, topK } from '../../lib/index.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/index.ts';
import { close, cloud, failure, noise, types } from '../support.ts';
import { allowed, referenceError } from '../tolerances.ts';

const c = 0.4;
const points = cloud(Float32Array, 300, 9, 1.4, 1);
const queries = cloud(Float32Array, 40, 9, 1.4, 2);
const labels = Int32Array.from({ length: 300 }, (_, i) => i % 7);
const part = (from: number, to: number) => matrix(points.data.subarray(from * 9, to * 9), to - from, 9);

/** The expected result of a gallery without an index: the result of topK, marked as proven. */
const exact = <F extends object>(found: F) => ({ ...found, proven: new Uint8Array(queries.rows).fill(1) });

async function filled(): Promise<Gallery<Float32Array | Float64Array>> {
  const gallery = new Gallery<Float32Array | Float64Array>({ c });
  for (const [from, to] of [
    [0, 10],
    [10, 11],
    [11, 250],
    [250, 300],
  ] as const) {
    const numbers = await gallery.add(part(from, to), labels.subarray(from, to));
    if (numbers[0] !== from) throw new Error(`row ${from} has number ${numbers[0]}`);
  }
  return gallery;
}

test('rows added in parts are found as if added at once', async (t) => {
  using gallery = await filled();
  t.is(gallery.size, 300);
  t.is(gallery.cols, 9);
  const want = exact(topK.sync(queries, points, { k: 20, c }));
  t.deepEqual(await gallery.topK(queries, { k: 20 }), want);
  t.deepEqual(gallery.topK.sync(queries, { k: 20 }), want);
});

test('removed rows are not found; the numbers of the others do not change', async (t) => {
  using gallery = await filled();
  for (const count of [5, 200]) {
    const removed = Array.from({ length: count }, (_, i) => i + 3);
    await gallery.remove(removed);
    const allowed = Uint8Array.from({ length: 300 }, (_, i) => (i >= 3 && i < 3 + count ? 0 : 1));
    t.is(gallery.size, 300 - count);
    t.deepEqual(
      gallery.topK.sync(queries, { k: 7 }),
      exact(topK.sync(queries, points, { k: 7, c, allowed })),
    );
  }
  t.is(await gallery.remove([4, 4, 999]), 0);
  t.deepEqual(await gallery.add(part(4, 5), [2]), Int32Array.of(300));
  const { indices, distances } = gallery.topK.sync(part(4, 5), { k: 1 });
  t.deepEqual([indices[0], distances[0]], [300, 0]);
});

test('wrong rows to exclude are the same error with and without an index', async (t) => {
  using gallery = new Gallery<Reals>({ c: 1 });
  await gallery.add(cloud(Float32Array, 20, 2, 0.5));
  const codes = (): string[] =>
    [null, 0, '', false, 'self', [0], [0, 1, 2], []].map((exclude) => {
      const search = { k: 1, exclude: exclude as never };
      const { code, message } = t.throws(() =>
        gallery.topK.sync(cloud(Float32Array, 2, 2, 0.5), search),
      ) as Error & {
        code?: string;
      };
      t.regex(message, /^\[Gallery\.topK\] exclude: /, String(exclude));
      return code!;
    });
  const before = codes();
  await gallery.buildIndex();
  t.deepEqual(codes(), before);
  t.deepEqual(before.slice(5), Array(3).fill('ERR_HOROBALL_SHAPE'), 'wrong lengths');
});

test('options of a build are read once', async (t) => {
  using gallery = new Gallery<Reals>({ c: 1 });
  await gallery.add(cloud(Float32Array, 20, 2, 0.5));
  let reads = 0;
  const options = {
    get onProgress() {
      return (reads++ === 0 ? () => {} : 1) as () => void;
    },
  };
  t.is((await gallery.buildIndex(options)).rows, 20);
});

test('a search can be restricted to labels, and exclude rows', async (t) => {
  using gallery = await filled();
  const { indices } = await gallery.topK(queries, { k: 30, labels: [2, 5] });
  t.true(indices.every((i) => labels[i] === 2 || labels[i] === 5));
  const own = gallery.topK.sync(part(0, 50), { k: 1, exclude: Int32Array.from({ length: 50 }, (_, i) => i) });
  t.true(own.indices.every((found, i) => found !== i));
  t.true(gallery.topK.sync(queries, { k: 1, labels: [99] }).indices.every((i) => i === -1));
});

test('errors of a search name the queries, with and without an index', async (t) => {
  using gallery = await filled();
  const search = (wrong: unknown) => failure(() => gallery.topK(wrong as never, { k: 1 }));
  const others = [new Float64Array(9), new Float32Array(8), [[0.1]]].map((wrong, i) => [wrong, i] as const);
  const expected = [
    'expected a Float32Array, like the others, got Float64Array',
    'expected 9 columns, got 8',
    'expected a matrix or a typed array, got an array. Call matrix(...) with an array of rows.',
  ];
  for (const [wrong, i] of others)
    t.is((await search(wrong)).message, `[Gallery.topK] queries: ${expected[i]}`);
  await gallery.buildIndex({ lists: 5 });
  for (const [wrong, i] of others)
    t.is((await search(wrong)).message, `[Gallery.topK] queries: ${expected[i]}`);
});

test('a search uses the rows that were present when it started', async (t) => {
  using gallery = await filled();
  const before = gallery.topK.sync(queries, { k: 50 });
  const search = gallery.topK(queries, { k: 50 });
  await Promise.all([gallery.remove(Array.from({ length: 280 }, (_, i) => i)), gallery.add(part(0, 99))]);
  t.deepEqual(await search, before);
  t.is(gallery.size, 119);
});

test('concurrent changes are applied in order', async (t) => {
  using gallery = new Gallery<Float32Array | Float64Array>({ c });
  const added = await Promise.all([0, 1, 2, 3].map((i) => gallery.add(part(i * 20, i * 20 + 20))));
  t.deepEqual(
    added.map((numbers) => numbers[0]),
    [0, 20, 40, 60],
  );
  t.deepEqual(gallery.topK.sync(queries, { k: 3 }), exact(topK.sync(queries, part(0, 80), { k: 3, c })));
});

test('a saved gallery loads unchanged, and inconsistent files are rejected', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-'));
  try {
    const path = join(folder, 'gallery.safetensors');
    using gallery = await filled();
    await gallery.remove([0, 299]);
    await gallery.save(path);
    t.deepEqual(await readdir(folder), ['gallery.safetensors']);
    using loaded = await Gallery.load(path);
    t.deepEqual([loaded.size, loaded.cols, loaded.metric], [298, 9, 'poincare']);
    const options = { k: 12, labels: [1, 2, 3] };
    t.deepEqual(loaded.topK.sync(queries, options), gallery.topK.sync(queries, options));
    t.deepEqual(await loaded.add(part(0, 1)), Int32Array.of(300));
    const flipped = await readFile(path);
    flipped[flipped.length - 5000]! ^= 1;
    await writeFile(`${path}.flipped`, flipped);
    const { code, message } = await failure(() => Gallery.load(`${path}.flipped`));
    t.deepEqual([code, /the checksum of "rows" is wrong/.test(message)], ['ERR_HOROBALL_FORMAT', true]);
    const { tensors, metadata } = await readSafetensors(path);
    for (const lie of [
      { c: -1 },
      { c: undefined },
      { c: '1' },
      { metric: 'lp' },
      { next: 3 },
      { next: -1 },
      { next: 2 ** 31 + 1 },
    ]) {
      const about = { ...JSON.parse(metadata['horoball_gallery']!), ...lie };
      const rows = Object.fromEntries(tensors);
      await writeSafetensors(path, rows, { metadata: { horoball_gallery: JSON.stringify(about) } });
      t.is((await failure(() => Gallery.load(path))).code, 'ERR_HOROBALL_FORMAT', JSON.stringify(lie));
    }
    const last = {
      horoball_gallery: metadata['horoball_gallery']!.replace(/"next":\d+/, `"next":${2 ** 31 - 1}`),
    };
    await writeSafetensors(path, Object.fromEntries(tensors), { metadata: last });
    using full = await Gallery.load(path);
    const beyond = await failure(() => full.add(part(0, 1) as never));
    t.deepEqual([beyond.code, full.size], ['ERR_HOROBALL_RANGE', 298]); // numbers are never reused
    t.regex(beyond.message, /expected at most 0 more rows \(row numbers end at 2\^31 - 2\), got 1/);
    await writeFile(path, 'something else');
    t.is((await failure(() => Gallery.load(path))).code, 'ERR_HOROBALL_FORMAT');
    await writeSafetensors(path, { rows: { shape: [2, 2], data: new Float32Array(4) } });
    t.is((await failure(() => Gallery.load(path))).code, 'ERR_HOROBALL_FORMAT');
    const none = { shape: [0], data: new Int32Array(0) };
    const empty = { rows: { shape: [0, 2], data: new Float32Array(0) }, numbers: none, labels: none };
    for (const wrong of [
      { metric: 'manhattan' },
      { metric: 'poincare', c: -1 },
      { metric: 'poincare', c: '1' },
    ]) {
      const metadata = { horoball_gallery: JSON.stringify({ ...wrong, next: 0 }) };
      await writeSafetensors(path, empty, { metadata });
      t.is((await failure(() => Gallery.load(path))).code, 'ERR_HOROBALL_FORMAT');
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('topK has a synchronous variant, also under its former name, and needs no receiver', async (t) => {
  using gallery = await filled();
  const { topK: search } = gallery;
  const want = await search(queries, { k: 3 });
  t.deepEqual(search.sync(queries, { k: 3 }), want);
  t.deepEqual(gallery.topKSync(queries, { k: 3 }), want);
  t.is((await failure(() => search.sync(queries, { k: 0 }))).message.split(':')[0], '[Gallery.topK] k');
});

test('methods of a closed gallery throw', async (t) => {
  const gallery = await filled();
  const search = gallery.topK(queries, { k: 1 });
  gallery.dispose();
  gallery.close(); // another name of dispose
  gallery[Symbol.dispose]();
  t.is((await search).indices.length, 40);
  for (const call of [
    () => gallery.add(part(0, 1)),
    () => gallery.remove([1]),
    () => gallery.save('/nowhere'),
    () => gallery.topK(queries, { k: 1 }),
    () => gallery.topK.sync(queries, { k: 1 }),
    () => gallery.topKSync(queries, { k: 1 }),
  ]) {
    t.is((await failure(call)).code, 'ERR_HOROBALL_CLOSED');
  }
});

test('a list of labels without an end is rejected', async (t) => {
  using gallery = await filled();
  const labels = {
    *[Symbol.iterator]() {
      for (;;) yield 1;
    },
  };
  const { code } = await failure(() => gallery.topK.sync(queries, { k: 1, labels }));
  t.is(code, 'ERR_HOROBALL_RANGE');
});

test('rejects invalid rows without changing the gallery', async (t) => {
  using gallery = await filled();
  t.is((await failure(() => gallery.add(cloud(Float32Array, 2, 8, 1)))).code, 'ERR_HOROBALL_SHAPE');
  t.is((await failure(() => gallery.add(cloud(Float64Array, 2, 9, 1)))).code, 'ERR_HOROBALL_TYPE');
  t.is((await failure(() => gallery.add(part(0, 2), [1]))).code, 'ERR_HOROBALL_SHAPE');
  t.is((await failure(() => gallery.add(part(0, 2), [1, 0.5]))).code, 'ERR_HOROBALL_RANGE');
  t.is((await failure(() => gallery.topK(queries, { k: 301 }))).code, 'ERR_HOROBALL_RANGE');
  t.is(gallery.size, 300);
});

for (const type of types) {
  test(`${type.name}: inner products of exported vectors rank like the distance and determine it`, async (t) => {
    const next = noise(9);
    const wide = (rows: number, seed: number) => cloud(type, rows, 6, 0.8 + 0.1 * next(), seed);
    const [asking, stored] = [wide(20, 3), wide(200, 4)];
    const q = await toInnerProductIndex(asking, { c: 1, role: 'query' });
    const g = toInnerProductIndex.sync(stored, { c: 1, role: 'gallery' });
    t.deepEqual([q.rows, q.cols, g.rows, g.cols], [20, 7, 200, 7]);
    const want = topK.sync(asking, stored, { k: 10, c: 1 });
    for (let i = 0; i < 20; ++i) {
      const products = Array.from({ length: 200 }, (_, j) => {
        let sum = 0;
        for (let k = 0; k < 7; ++k) sum += q.data[i * 7 + k]! * g.data[j * 7 + k]!;
        return sum;
      });
      const order = Array.from(products.keys()).sort((a, b) => products[b]! - products[a]!);
      t.deepEqual(order.slice(0, 10), [...want.indices.subarray(i * 10, i * 10 + 10)]);
      const d = order.slice(0, 10).map((j) => Math.acosh(-products[j]!));
      close(
        t,
        d,
        want.distances.subarray(i * 10, i * 10 + 10),
        allowed(type, referenceError.hyperboloidProducts),
        'distances',
      );
    }
  });
}
