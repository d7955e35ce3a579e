import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { checkDataset } from '../../../lib/train/data/check.ts';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { temporary } from './support.ts';
import { makeSop } from './trees.ts';

test('data check names missing images, and truncated ones if it decodes them', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const dataset = await openDataset('SOP', root);
  const [missing, cut] = [dataset.train.samples[1]!.path, dataset.test.samples[0]!.path];
  await rm(missing);
  const whole = await readFile(cut);
  await writeFile(cut, whole.subarray(0, whole.length / 2));
  t.deepEqual(
    (await checkDataset(dataset)).unreadable.map(({ path: file }) => file),
    [missing],
  );
  const both = (await checkDataset(dataset, { decode: true })).unreadable.map(({ path: file }) => file);
  t.deepEqual(both, [missing, cut].sort());
  await rm(path.join(root, 'Stanford_Online_Products/bicycle_final'), { recursive: true });
  await t.throwsAsync(openDataset('SOP', root), {
    code: 'ERR_HOROBALL_DATA_READ',
    message: /Stanford_Online_Products.zip/,
  });
});
