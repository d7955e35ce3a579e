import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import test from 'ava';
import { fingerprintOf } from '../../../lib/train/data/fingerprint.ts';
import type { Dataset, Split } from '../../../lib/train/data/types.ts';
import { temporary } from '../tiny-data.ts';

type Splits = Pick<Dataset, 'train' | 'test' | 'gallery'>;

const root = resolve('/data/images');

function split(classes: string[], files: [file: string, label: number][], at = root): Split {
  const samples = files.map(([file, label]) => ({ path: [at, ...file.split('/')].join(sep), label }));
  return { classes, samples };
}

const splits = (at?: string): Splits => ({
  train: split(
    ['a', 'b'],
    [
      ['a/1.jpg', 0],
      ['a/2.jpg', 0],
      ['b/1.jpg', 1],
    ],
    at,
  ),
  test: split(['c'], [['c/1.jpg', 0]], at),
});

test('a data set that was moved as a whole keeps its fingerprint', async (t) => {
  const own = await fingerprintOf(splits());
  t.is(await fingerprintOf(splits()), own);
  for (const at of ['/', '/images', '/data/images2', '/data/images/sub'])
    t.is(await fingerprintOf(splits(resolve(at) === sep ? '' : resolve(at))), own, at);
});

test('every change of names, classes, order and splits changes the fingerprint', async (t) => {
  const { train, test } = splits();
  const [first, second, third] = train.samples as [
    Split['samples'][0],
    Split['samples'][0],
    Split['samples'][0],
  ];
  const changed: Splits[] = [
    { train: { ...train, samples: [second, first, third] }, test },
    { train: { ...train, samples: [first, second] }, test },
    { train: { ...train, samples: [first, second, { ...third, label: 0 }] }, test },
    { train: { ...train, samples: [first, second, { ...third, path: `${third.path}x` }] }, test },
    { train: { ...train, classes: ['a', 'B'] }, test },
    { train: { ...train, parents: [['x'], []] }, test },
    { train: { ...train, parents: [[], ['x']] }, test },
    { train, test: { ...test, samples: [] } },
    { train, test, gallery: test },
    { train: test, test: train },
  ];
  const all = await Promise.all([splits(), ...changed].map(fingerprintOf));
  t.is(new Set(all).size, all.length);
});

test('images with other contents change the fingerprint', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  for (const name of ['a', 'b', 'c']) await mkdir(join(path, name));
  for (const name of ['a/1', 'a/2', 'b/1', 'c/1']) await writeFile(join(path, `${name}.jpg`), 'contents');
  const own = await fingerprintOf(splits(path));
  await writeFile(join(path, 'c/1.jpg'), 'other contents');
  t.not(await fingerprintOf(splits(path)), own);
  await writeFile(join(path, 'c/1.jpg'), 'contents');
  t.is(await fingerprintOf(splits(path)), own);
  const file = join(path, 'c/1.PPM');
  const plain = { ...splits(path), test: split(['c'], [['c/1.PPM', 0]], path) };
  const of = async (pixels: string): Promise<number> => {
    await writeFile(file, `P6 1 1 255\n${pixels}`);
    return await fingerprintOf(plain);
  };
  t.is(await of('abc'), await of('abc'));
  t.not(await of('abc'), await of('abd'), 'of the same size');
});
