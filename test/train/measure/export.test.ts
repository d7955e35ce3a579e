import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test from 'ava';
import { readNpy, readSafetensors } from '../../../lib/io/index.ts';
import type { Skipped } from '../../../lib/train/data/loader.ts';
import type { Dataset, Split } from '../../../lib/train/data/types.ts';
import type { Embedded } from '../../../lib/train/measure/evaluate.ts';
import {
  type Export,
  saveEmbeddings,
  splitOf,
  writeExport,
  writeNpyExport,
} from '../../../lib/train/measure/export.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { temporary, writeClasses } from '../data/support.ts';
import { tinyEmbedder } from '../helpers.ts';

const split = (classes: string[], paths: string[], parents?: string[][]): Split => ({
  classes,
  samples: paths.map((path, i) => ({ path, label: i % classes.length })),
  ...(parents && { parents }),
});

function dataset(more: Partial<Dataset> = {}): Dataset {
  const [train, held] = [split(['a', 'b'], ['1', '2']), split(['c'], ['3'])];
  return { name: 'made', root: '/data', train, test: held, ks: [1], warnings: [], ...more };
}

test("finds a split by name; without a gallery, 'gallery' is the test split", (t) => {
  const gallery = split(['c'], ['4', '5']);
  const both = dataset({ gallery });
  t.is(splitOf(both, 'train'), both.train);
  for (const name of ['test', 'query'] as const) t.is(splitOf(both, name), both.test);
  t.is(splitOf(both, 'gallery'), gallery);
  const plain = dataset();
  t.is(splitOf(plain, 'gallery'), plain.test);
});

test("'all' contains the images of every split in order, and merges equal classes", (t) => {
  const all = splitOf(dataset({ gallery: split(['c', 'a'], ['4', '5']) }), 'all');
  t.deepEqual(all.classes, ['a', 'b', 'c']);
  t.deepEqual(
    all.samples.map(({ path, label }) => `${path} ${all.classes[label]}`),
    ['1 a', '2 b', '3 c', '4 c', '5 a'],
  );
  t.false('parents' in all);
});

test('keeps classes of the same name under different ancestors separate', (t) => {
  const train = split(['x', 'y'], ['1', '2'], [['p'], ['p']]);
  const all = splitOf(dataset({ train, test: split(['x', 'y'], ['3', '4'], [['q'], ['p']]) }), 'all');
  t.deepEqual(all.classes, ['x', 'y', 'x']);
  t.deepEqual(all.parents, [['p'], ['p'], ['q']]);
  t.deepEqual(
    all.samples.map(({ label }) => label),
    [0, 1, 2, 1],
  );
});

/** Returns an export of two images, with different values for each output. */
function made(): Export {
  const embedded: Embedded = {
    body: Float32Array.of(1, 2, 3, 4, 5, 6),
    bodyWidth: 3,
    euclidean: Float32Array.of(0.6, 0.8, 1, 0),
    hyperbolic: Float32Array.of(0.1, 0.2, 0.3, 0.4),
    width: 2,
    labels: Int32Array.of(1, 0),
    indices: Int32Array.of(0, 1),
  };
  return { dataset: 'made', split: 'test', classes: ['a', 'ü'], paths: ['1.jpg', '2.jpg'], embedded, c: 0.1 };
}

test('a safetensors file has the requested outputs, labels and metadata', async (t) => {
  const file = join(await temporary(t), 'x.safetensors');
  await writeExport(file, made());
  const { tensors, metadata } = await readSafetensors(file);
  t.deepEqual([...tensors.keys()].toSorted(), ['body', 'cosine', 'hyperbolic', 'labels']);
  t.deepEqual(tensors.get('body')!.shape, [2, 3]);
  t.deepEqual([...tensors.get('cosine')!.data], [...made().embedded.euclidean]);
  t.deepEqual([...tensors.get('labels')!.data], [1, 0]);
  t.like(metadata, { dataset: 'made', split: 'test', c: '0.1' });
  t.deepEqual(JSON.parse(metadata['classes']!), ['a', 'ü']);
  t.deepEqual(JSON.parse(metadata['paths']!), ['1.jpg', '2.jpg']);
  await writeExport(file, made(), ['hyperbolic']);
  t.deepEqual([...(await readSafetensors(file)).tensors.keys()].toSorted(), ['hyperbolic', 'labels']);
});

test('NumPy files have one output and the labels, next to a JSON file', async (t) => {
  const file = join(await temporary(t), 'x.npy');
  const files = await writeNpyExport(file, made(), 'hyperbolic');
  t.deepEqual(
    files.map((name) => name.replace(file.replace(/\.npy$/, ''), 'x')),
    ['x.npy', 'x.labels.npy', 'x.json'],
  );
  const { data, shape } = await readNpy(file);
  t.deepEqual(shape, [2, 2]);
  t.deepEqual([...data], [...made().embedded.hyperbolic]);
  t.deepEqual([...(await readNpy(files[1]!)).data], [1, 0]);
  t.like(JSON.parse(await readFile(files[2]!, 'utf8')), {
    output: 'hyperbolic',
    c: 0.1,
    paths: ['1.jpg', '2.jpg'],
  });
});

/** Writes the export again, with other labels, in a process that is killed after its n-th call of `rename` or `rm`. */
function killedAfter(file: string, calls: number): NodeJS.Signals | null {
  const module = new URL('../../../lib/train/measure/export.js', import.meta.url).href;
  const again = { ...made(), embedded: { ...made().embedded, labels: [0, 1] } };
  const script = `const fs = require('node:fs').promises;
    let calls = 0;
    for (const name of ['rename', 'rm']) {
      const original = fs[name];
      fs[name] = async (...args) => {
        await original(...args);
        if (++calls === ${calls}) process.kill(process.pid, 'SIGKILL');
      };
    }
    require('node:module').syncBuiltinESMExports();
    import('${module}').then(({ writeNpyExport }) => {
      const made = ${JSON.stringify(again)};
      made.embedded.hyperbolic = Float32Array.of(1, 2, 3, 4);
      made.embedded.labels = Int32Array.from(made.embedded.labels);
      return writeNpyExport(${JSON.stringify(file)}, made, 'hyperbolic');
    });`;
  return spawnSync(process.execPath, ['-e', script]).signal;
}

test('a killed export leaves NumPy files of one export, or no JSON file', async (t) => {
  const folder = await temporary(t);
  const [file, json] = ['x.npy', 'x.json'].map((name) => join(folder, name)) as [string, string];
  const states: string[] = [];
  for (let calls = 1; calls <= 4; calls++) {
    await writeNpyExport(file, made(), 'hyperbolic');
    t.is(killedAfter(file, calls), 'SIGKILL');
    const text = await readFile(json, 'utf8').catch(() => null);
    states.push(text === null ? 'none' : 'whole');
    if (text === null) continue;
    for (const [name, sum] of Object.entries(JSON.parse(text).crc32 as Record<string, string>))
      t.is(crc32(await readFile(join(folder, name))), Number.parseInt(sum, 16), name);
  }
  t.deepEqual(states, ['none', 'none', 'none', 'whole']);
  const { crc32: sums } = JSON.parse(await readFile(json, 'utf8')) as { crc32: object };
  t.deepEqual(Object.keys(sums), ['x.npy', 'x.labels.npy']);
});

test('if one of the NumPy files cannot be written, none is replaced', async (t) => {
  const folder = await temporary(t);
  const name = `${'x'.repeat(205)}.npy`; // short enough for its temporary file, not for that of the labels
  await writeFile(join(folder, name), 'earlier');
  await t.throwsAsync(writeNpyExport(join(folder, name), made(), 'hyperbolic'), { code: 'ENAMETOOLONG' });
  t.is(await readFile(join(folder, name), 'utf8'), 'earlier');
  t.deepEqual(await readdir(folder), [name]);
});

test('--save_emb writes embeddings of test and training images to files named after emb_name', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 4, 2);
  const folder = await temporary(t);
  const options = { ds: 'folder', path, crop: 16, resize: 16, bs: 4, num_samples: 2, emb_name: 'points' };
  using embedder = await tinyEmbedder();
  const written = await saveEmbeddings(folder, embedder, parseConfig(options));
  t.deepEqual(
    written.map(({ file, images }) => [file, images]),
    [
      [join(folder, 'points_eval.safetensors'), 4],
      [join(folder, 'points_train.safetensors'), 4],
    ],
  );
  const [tested, trained] = await Promise.all(written.map(({ file }) => readSafetensors(file)));
  t.deepEqual(tested!.tensors.get('hyperbolic')!.shape, [4, 6]);
  const classes = [tested!, trained!].map(({ metadata }) => JSON.parse(metadata['classes']!) as string[]);
  t.deepEqual(classes.flat().toSorted(), ['class0', 'class1', 'class2', 'class3']);
});

test('an interruption leaves no file of earlier weights', async (t) => {
  const [path, folder] = [await temporary(t), await temporary(t)];
  await writeClasses(path, 4, 2);
  using embedder = await tinyEmbedder();
  const config = parseConfig({ ds: 'folder', path, crop: 16, resize: 16, bs: 4, num_samples: 2 });
  await saveEmbeddings(folder, embedder, config);
  t.is((await readdir(folder)).length, 2);
  let writes = 0;
  const beforeWrite = async (): Promise<void> => {
    if (++writes === 2) throw new Error('enough');
  };
  await t.throwsAsync(saveEmbeddings(folder, embedder, config, { beforeWrite }), { message: 'enough' });
  t.deepEqual(await readdir(folder), [`${config.emb_name}_eval.safetensors`]);
});

test('an unreadable image has no row, and is reported', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 4, 2);
  const all = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.jpg')).sort();
  const damaged = all.at(-1)!; // of the last class, which is a test class
  await writeFile(join(path, damaged), 'no image');
  const options = { ds: 'folder', path, crop: 16, resize: 16, bs: 4, num_samples: 2 };
  using embedder = await tinyEmbedder();
  const skipped: Skipped[] = [];
  const onSkipped = (image: Skipped): unknown => skipped.push(image);
  const written = await saveEmbeddings(await temporary(t), embedder, parseConfig(options), { onSkipped });
  t.is(
    written.reduce((sum, { images }) => sum + images, 0),
    all.length - 1,
  );
  t.deepEqual(
    skipped.map((image) => image.path),
    [join(path, damaged)],
  );
});
