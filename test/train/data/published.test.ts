import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { checkDataset } from '../../../lib/train/data/check.ts';
import { ImageLoader } from '../../../lib/train/data/loader.ts';
import { openDataset } from '../../../lib/train/data/registry.ts';
import type { Dataset, Split } from '../../../lib/train/data/types.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { all, temporary, writeTree } from './support.ts';
import { makeCars, makeCub, makeInshop, makeSop, perClass } from './trees.ts';

function splitsOf({ train, test: unseen, gallery }: Dataset): Split[] {
  return [train, unseen, ...(gallery ? [gallery] : [])];
}

const makers = { CUB: makeCub, Cars: makeCars, SOP: makeSop, Inshop: makeInshop };

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: reads every image of a miniature data set, and compares the counts with the published ones`, async (t) => {
    const root = await temporary(t);
    await make(root);
    const dataset = await openDataset(name, root);
    t.is(
      splitsOf(dataset).reduce((sum, split) => sum + split.samples.length, 0),
      4 * perClass,
    );
    t.deepEqual(
      splitsOf(dataset).map(({ classes }) => classes.length),
      splitsOf(dataset).map(() => 2),
    );
    t.true(
      dataset.warnings.some((text) => /instead of the published .*: results are not comparable/.test(text)),
    );
    for (const split of splitsOf(dataset)) {
      const loader = new ImageLoader(split, { size: 16, mode: 'eval', seed: 1, strict: true });
      const [batch] = await all(loader.batches([Int32Array.from(split.samples.keys())]));
      t.is(batch!.count, split.samples.length);
    }
    const found = await checkDataset(dataset, { decode: true });
    t.deepEqual(found.unreadable, []);
    t.is(found.splits.train!.images, 2 * perClass);
  });

  test(`${name}: for a folder without the data set, the error says what to download and what it must contain`, async (t) => {
    const root = await temporary(t);
    const error = await t.throwsAsync(openDataset(name, root), { code: 'ERR_HOROBALL_DATA_READ' });
    t.regex(
      error.message,
      /expected a folder with the file or folder '.*' of .*, got .*, which lacks it\. Download and unpack .*, so that the folder contains /,
    );
    const none = await t.throwsAsync(openDataset(name, path.join(root, 'none')), {
      code: 'ERR_HOROBALL_DATA_READ',
    });
    t.regex(none.message, /got \S*none, which does not exist\. Check the path\. Download and unpack /);
    t.notRegex(error.message, /\n/);
  });
}

test('an empty unpacked archive has no images', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'Ebay_train.txt': 'image_id class_id\n', 'Ebay_test.txt': 'image_id class_id\n' });
  await t.throwsAsync(openDataset('SOP', root), {
    code: 'ERR_HOROBALL_DATA_EMPTY',
    message: /Download and unpack Stanford_Online_Products.zip/,
  });
  await mkdir(path.join(root, 'images'));
  await t.throwsAsync(openDataset('CUB', root), { code: 'ERR_HOROBALL_DATA_EMPTY' });
});

const gap = ' '.repeat(4000);
const lines = (line: (i: number) => string): string =>
  Array.from({ length: 4000 }, (_, i) => line(i)).join('\n');
/** Lists of 16 MB in which every line is valid, with a long gap inside its path. */
const gaps: Record<string, () => Record<string, string>> = {
  'CUB-official': () => ({
    'images/.keep': '',
    'images.txt': lines((i) => `${i} a/${gap}b`),
    'image_class_labels.txt': lines((i) => `${i} 1`),
    'train_test_split.txt': lines((i) => `${i} ${i % 2}`),
  }),
  SOP: () => ({
    'Ebay_train.txt': `image_id\n${lines((i) => `${i} 1 1 a${gap}b`)}`,
    'Ebay_test.txt': 'image_id\n1 1 1 a',
  }),
  Inshop: () => ({
    'img/.keep': '',
    'Eval/list_eval_partition.txt': `image_name\n${lines(() => `a${gap}b id train`)}`,
  }),
};

for (const [name, files] of Object.entries(gaps)) {
  test.serial(`${name}: long white space takes linear time`, async (t) => {
    const root = await temporary(t);
    await writeTree(root, files());
    const spent = startCpuClock();
    // All lines are accepted, so the error is that the first image does not exist.
    await t.throwsAsync(openDataset(name, root), {
      code: 'ERR_HOROBALL_DATA_READ',
      message: /expected a folder with the file or folder '\S*a/,
    });
    const ms = spent();
    t.true(ms < 1000, `${ms} ms`);
  });
}
