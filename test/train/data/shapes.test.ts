import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { Lock } from '../../../lib/io/lock.ts';
import { findDataset, openDataset } from '../../../lib/train/data/registry.ts';
import { makeShapes, type ShapesOptions } from '../../../lib/train/data/shapes.ts';
import { baselineFeatures } from '../../../lib/train/measure/baselines.ts';
import { temporary, writeTree } from './support.ts';

const tiny = { seed: 5, classes: 32, images: 2, size: 32 };

/** The contents of all files below a folder. */
async function contents(root: string): Promise<Map<string, string>> {
  const names = (await readdir(root, { recursive: true })).sort();
  const files = new Map<string, string>();
  for (const name of names) {
    const file = path.join(root, name);
    if ((await stat(file)).isFile()) files.set(name, (await readFile(file)).toString('base64'));
  }
  return files;
}

test('the same seed gives the same bytes; another seed gives other images', async (t) => {
  const root = await temporary(t);
  const make = async (name: string, options: ShapesOptions): Promise<Map<string, string>> => {
    await makeShapes(path.join(root, name), options);
    return contents(path.join(root, name));
  };
  const [first, again, other] = [
    await make('a', tiny),
    await make('b', tiny),
    await make('c', { ...tiny, seed: 6 }),
  ];
  t.is(first.size, 64 + 1);
  t.deepEqual(first, again);
  t.deepEqual([...first.keys()], [...other.keys()]);
  t.is([...first].filter(([name, bytes]) => other.get(name) === bytes).length, 0);
  t.is(new Set(first.values()).size, first.size, 'no two images are the same');
});

test('both splits consist of complete families with several genera and species', async (t) => {
  const root = path.join(await temporary(t), 'shapes');
  await makeShapes(root, tiny);
  const { train, test: unseen, warnings } = await openDataset('shapes', root);
  t.deepEqual(warnings, []);
  for (const split of [train, unseen]) {
    t.is(split.classes.length, 16);
    t.is(split.samples.length, 32);
    const [genera, families] = [0, 1].map(
      (level) => new Set(split.parents!.map((parents) => parents[level])),
    );
    t.deepEqual([genera!.size, families!.size], [4, 1]);
    split.classes.forEach((name, i) => {
      t.deepEqual(split.parents![i], [path.dirname(name), path.dirname(path.dirname(name))]);
    });
  }
  t.false(train.parents!.flat().some((name) => unseen.parents!.flat().includes(name)));
});

test('progress counts every image; a complete data set is kept, and replaced if options change', async (t) => {
  const root = path.join(await temporary(t), 'shapes');
  const steps: number[] = [];
  const onProgress = (done: number, total: number): void => {
    t.is(total, 64);
    steps.push(done);
  };
  await makeShapes(root, { ...tiny, onProgress });
  t.deepEqual(
    steps,
    Array.from({ length: 64 }, (_, i) => i + 1),
  );
  const before = await contents(root);
  await makeShapes(root, { ...tiny, onProgress: () => t.fail('nothing was generated') });
  t.deepEqual(await contents(root), before);
  await makeShapes(root, { ...tiny, images: 3 });
  t.is((await contents(root)).size, 96 + 1);
});

test('a command generates only a missing data set, and keeps one that has other options', async (t) => {
  const root = path.join(await temporary(t), 'shapes');
  await makeShapes(root, tiny);
  const before = await contents(root);
  const onProgress = () => t.fail('nothing was generated');
  await findDataset('shapes')!.generate!(root, { onProgress, signal: AbortSignal.timeout(60_000) });
  t.deepEqual(await contents(root), before);
});

test('opening a data set with missing images warns', async (t) => {
  const root = path.join(await temporary(t), 'shapes');
  await makeShapes(root, tiny);
  const { train, warnings } = await openDataset('shapes', root);
  t.deepEqual(warnings, []);
  await rm(train.samples[0]!.path);
  t.deepEqual((await openDataset('shapes', root)).warnings, [
    `${root} has 63 of the 64 generated images; delete the folder to generate it again`,
  ]);
});

test('if two calls generate the same data set at once, the folder of the first to finish remains', async (t) => {
  const folder = await temporary(t);
  const root = path.join(folder, 'shapes');
  const made = async (): Promise<number> => {
    await makeShapes(root, tiny);
    return (await stat(root)).ino;
  };
  const [one, other] = await Promise.all([made(), made()]);
  t.is(one, other);
  t.is((await contents(root)).size, 64 + 1);
  t.deepEqual(await readdir(folder), ['shapes']);
});

test('aborting leaves no files', async (t) => {
  const folder = await temporary(t);
  const controller = new AbortController();
  const onProgress = (done: number): void => {
    if (done === 10) controller.abort(new Error('enough'));
  };
  const making = makeShapes(path.join(folder, 'shapes'), { ...tiny, onProgress, signal: controller.signal });
  await t.throwsAsync(making, { message: 'enough' });
  t.deepEqual(await readdir(folder), []);
});

test('a folder with other contents is not changed', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'thesis.txt': 'years of work' });
  await t.throwsAsync(makeShapes(root, tiny), { code: 'ERR_HOROBALL_DATA_LAYOUT' });
  t.is(await readFile(path.join(root, 'thesis.txt'), 'utf8'), 'years of work');
  t.deepEqual(
    await readdir(path.dirname(root)).then((names) => names.filter((name) => name.includes('.partial-'))),
    [],
  );
  await t.throwsAsync(openDataset('shapes', root), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /Create it with npx horoball start or.* makeShapes/,
  });
  await mkdir(path.join(root, 'empty'));
  await t.notThrowsAsync(makeShapes(path.join(root, 'empty'), tiny));
});

test('options out of range are rejected by name', async (t) => {
  const bad = { classes: 40, images: 0, size: 8 };
  for (const [name, value] of Object.entries(bad)) {
    const making = makeShapes('never-made', { ...tiny, [name]: value });
    await t.throwsAsync(making, { code: 'ERR_HOROBALL_RANGE', message: new RegExp(name) });
  }
  await t.throwsAsync(makeShapes('never-made', { seed: 0.5 }), { code: 'ERR_HOROBALL_TYPE' });
});

test('the former name of the number of images per class is an alias', async (t) => {
  const root = await temporary(t);
  const { images, ...others } = tiny;
  await makeShapes(path.join(root, 'shapes'), { ...others, pictures: images });
  await makeShapes(path.join(root, 'shapes'), { ...tiny, onProgress: () => t.fail('the same data set') });
  await t.throwsAsync(makeShapes('never-made', { ...tiny, pictures: 3 }), { code: 'ERR_HOROBALL_RANGE' });
});

test('raw pixels, and colors with gradients, do not identify the class', async (t) => {
  const root = path.join(await temporary(t), 'shapes');
  await makeShapes(root, { seed: 42, classes: 32, images: 12 });
  const { train } = await openDataset('shapes', root);
  for (const { name, features, labels } of await baselineFeatures(train, 48)) {
    const recall = recallAtOne(features.data, features.cols, labels);
    // With 16 classes of 12 images, 11 of 191 neighbors have the class of the query: by chance, the recall is 0.058.
    t.true(recall > 0.06 && recall < 0.4, `${name}: ${recall}`);
  }
});

function recallAtOne(data: Float32Array, cols: number, labels: Int32Array): number {
  const distance = (a: number, b: number): number => {
    let sum = 0;
    for (let k = 0; k < cols; k++) sum += (data[a * cols + k]! - data[b * cols + k]!) ** 2;
    return sum;
  };
  const hits = labels.filter((label, a) => {
    let [best, nearest] = [Infinity, -1];
    for (let b = 0; b < labels.length; b++) {
      const d = a === b ? Infinity : distance(a, b);
      if (d < best) [best, nearest] = [d, b];
    }
    return labels[nearest] === label;
  });
  return hits.length / labels.length;
}

/** Returns a UUID all of whose digits are the same. */
const uuid = (digit: number): string => crypto.randomUUID().replace(/[\da-f]/g, String(digit));

test('removes leftovers of killed calls, and keeps the folder of a running call', async (t) => {
  const folder = await temporary(t);
  const at = path.join(folder, 'shapes');
  const [first, second, running] = [1, 2, 3].map((digit) => `shapes.partial-${uuid(digit)}`);
  const other = `other.partial-${uuid(1)}`;
  await writeTree(folder, { [`${first}/x.jpg`]: '', [`${second}/x.jpg`]: '', [`${other}/x.jpg`]: '' });
  await writeFile(path.join(folder, `${first}.lock`), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
  await using _ = await Lock.take(path.join(folder, `${running}.lock`), () => new Error('taken'));
  await mkdir(path.join(folder, running!));
  await makeShapes(at, tiny);
  t.deepEqual((await readdir(folder)).sort(), [other, 'shapes', running!, `${running}.lock`]);
});

test('a folder whose manifest is not a JSON object counts as other contents', async (t) => {
  const root = await temporary(t);
  for (const text of ['null', '[]', '7', '"x"']) {
    await writeTree(root, { 'shapes.json': text });
    const error = await t.throwsAsync<Error & { code?: string }>(
      openDataset('shapes', root),
      undefined,
      text,
    );
    t.regex(error?.code ?? '', /^ERR_HOROBALL_DATA_/, text);
  }
});
