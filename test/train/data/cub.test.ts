import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { imageNames, temporary } from './support.ts';
import { makeCub } from './trees.ts';

test('CUB: the halves follow the folder names; the official split has all classes in both splits', async (t) => {
  const root = await temporary(t);
  await makeCub(root);
  const { train, test: unseen } = await openDataset('cub', path.join(root, 'CUB_200_2011'));
  t.deepEqual(train.classes, ['001.Black_footed Albatross', '002.Laysan_Albatross']);
  t.deepEqual(unseen.classes, ['101.White_Pelican', '102.Western_Wood_Pewee']);
  t.is(imageNames(train)[0], '001.Black_footed Albatross: Bird 0 000.jpg');
  const official = await openDataset('CUB-official', root);
  t.deepEqual(official.train.classes, [...train.classes, ...unseen.classes]);
  t.deepEqual([official.train.samples.length, official.test.samples.length], [8, 4]);
  t.true(official.test.samples.every(({ path: file }) => path.basename(file).startsWith('Bird 0')));
  const list = path.join(root, 'CUB_200_2011/image_class_labels.txt');
  const labels = await readFile(list, 'utf8');
  for (const wrong of ['1.5', '0', '5', 'x']) {
    await writeFile(list, labels.replace('1 1', `1 ${wrong}`));
    await t.throwsAsync(openDataset('CUB-official', root), {
      code: 'ERR_HOROBALL_DATA_LAYOUT',
      message: /expected a class, got '1 /,
    });
  }
});
