import test, { type ExecutionContext } from 'ava';
import { readClasses } from '../../../lib/train/data/folder.ts';
import type { Split } from '../../../lib/train/data/types.ts';
import type { Embedded } from '../../../lib/train/measure/evaluate.ts';
import { takeSnapshot } from '../../../lib/train/measure/snapshot.ts';
import { parseSnapshot } from '../../../lib/train/run/run-schema.ts';
import { temporary, writeClasses, writeTree } from '../data/support.ts';
import { options } from './profiled.ts';

const width = 4;

/** Embeddings of the images of a split, at distance `radius` from the origin, near the direction of their class. */
function embeddedOf({ samples }: Split, radius: number): Embedded {
  const rows = samples.map(({ label }, i) => {
    const row = Array.from({ length: width }, (_, k) =>
      k === label % width ? 1 : 0.02 * Math.sin(7 * i + k),
    );
    const norm = Math.hypot(...row);
    return row.map((value) => value / norm);
  });
  const euclidean = Float32Array.from(rows.flat());
  return {
    body: euclidean,
    bodyWidth: width,
    euclidean,
    hyperbolic: euclidean.map((value) => value * radius),
    width,
    labels: Int32Array.from(samples, ({ label }) => label),
    indices: Int32Array.from(samples, (_, i) => i),
  };
}

async function images(t: ExecutionContext, classes: number, count: number): Promise<Split> {
  const root = await temporary(t);
  await writeClasses(root, classes, count);
  return await readClasses(root);
}

const settings = { c: 0.1, epoch: 3, baselines: [], loss: { ...options, views: 2 } };

test('a snapshot has every point in the disk and the nearest neighbors of eight images', async (t) => {
  const split = await images(t, 4, 6);
  const { disk, gallery, classes, parents, epoch, negatives, ranks } = await takeSnapshot(
    'made',
    split,
    embeddedOf(split, 0.5),
    settings,
  );
  t.deepEqual([classes, parents, epoch], [split.classes, [], 3]);
  t.is(disk.points.length, 2 * 24);
  t.true(disk.points.every((value) => Math.abs(value) < 1));
  t.deepEqual(
    disk.labels,
    split.samples.map(({ label }) => label),
  );
  t.is(gallery.length, 8);
  for (const { query, nearest } of gallery) {
    t.is(nearest.length, 5);
    const distances = nearest.map(({ distance }) => distance);
    t.deepEqual(
      distances,
      distances.toSorted((a, b) => a - b),
    );
    t.deepEqual(new Set(nearest.map(({ label }) => label)), new Set([query.label]), 'never the query itself');
    t.true(nearest.every(({ thumbnail }) => thumbnail.startsWith('data:image/jpeg;base64,')));
    t.false(nearest.some(({ thumbnail }) => thumbnail === query.thumbnail));
  }
  t.is(negatives!.own, 'hybrid');
  t.true(ranks!.spearman > 0.99, 'at equal radii both distances give the same ranking');
});

test('a disk has at most 1,500 points, spread over all images', async (t) => {
  const split = await images(t, 1, 1);
  const many = { ...split, samples: Array.from({ length: 3000 }, () => split.samples[0]!) };
  const { disk, gallery } = await takeSnapshot('made', many, embeddedOf(many, 0.5), settings);
  t.is(disk.labels.length, 1500);
  t.is(gallery.length, 8);
});

test('a single image has no neighbors, no ranks and no negatives', async (t) => {
  const split = await images(t, 1, 1);
  const found = await takeSnapshot('made', split, embeddedOf(split, 0.5), settings);
  t.deepEqual([found.gallery, found.negatives, found.ranks, found.disk.labels], [[], null, null, [0]]);
});

test('of hundreds of thousands of classes, a snapshot has those of its images, and can be read', async (t) => {
  const few = await images(t, 4, 6);
  const count = 250_000;
  const classes = Array.from({ length: count }, (_, i) => `class ${i}`);
  const parents = classes.map((name) => [`${name} in genus`, 'in a family', 'in an order']);
  const samples = few.samples.map(({ path, label }) => ({ path, label: count - 1 - label }));
  const split = { classes, parents, samples };
  const found = await takeSnapshot('made', split, embeddedOf(split, 0.5), settings);
  t.deepEqual(found.classes, ['class 249999', 'class 249998', 'class 249997', 'class 249996']);
  t.deepEqual(found.parents[3], parents[count - 4]);
  t.deepEqual(
    found.disk.labels,
    few.samples.map(({ label }) => label),
  );
  t.true(found.gallery.every(({ query, nearest }) => nearest[0]!.label === query.label));
  t.deepEqual(parseSnapshot(JSON.stringify(found), 'snapshot.json'), JSON.parse(JSON.stringify(found)));
  const whole = { ...found, classes, parents };
  t.throws(() => parseSnapshot(JSON.stringify(whole), 'snapshot.json'), {
    message: /more than 1048576 values/,
  });
});

test('keeps a class tree with its levels', async (t) => {
  const plain = await images(t, 4, 2);
  const parents = plain.classes.map((_, i) => [`genus ${i >> 1}`]);
  const split = { ...plain, parents, levels: ['genus'] };
  const found = await takeSnapshot('made', split, embeddedOf(split, 0.5), settings);
  t.deepEqual([found.parents, found.levels], [parents, ['genus']]);
  t.true(found.depth!.length >= 2);
});

test('non-finite embeddings cause an error with the number of their images', async (t) => {
  const split = await images(t, 4, 3);
  for (const [name, bad] of [
    ['euclidean', Number.NaN],
    ['hyperbolic', Infinity],
  ] as const) {
    const embedded = embeddedOf(split, 0.5);
    embedded[name][5] = bad;
    await t.throwsAsync(takeSnapshot('made', split, embedded, settings), {
      code: 'ERR_HOROBALL_DIVERGED',
      message: /NaN or infinity for 1 of 12 test images\. Use a lower lr/,
    });
  }
});

test('an image that has become unreadable causes a coded error', async (t) => {
  const split = await images(t, 2, 2);
  await writeTree('/', { [split.samples[0]!.path.slice(1)]: 'damaged' });
  const error = await t.throwsAsync<Error & { code?: string }>(
    takeSnapshot('made', split, embeddedOf(split, 0.5), settings),
  );
  t.regex(error?.code ?? '', /^ERR_HOROBALL_/);
});
