import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { MatWriter } from '../../io/mat-writer.ts';
import { imageNames, temporary } from './support.ts';
import { makeCars } from './trees.ts';

test('Cars: classes follow the numbers in cars_annos.mat, and the official split follows its test flag', async (t) => {
  const root = await temporary(t);
  await makeCars(root);
  const { train, test: unseen } = await openDataset('Cars', root);
  t.deepEqual(train.classes, ['AM General Hummer SUV 2000', 'Acura RL Sedan 2012']);
  t.deepEqual(unseen.classes, ['Ram C/V Cargo Van', 'Geo Metro']);
  t.deepEqual(imageNames(unseen).slice(0, 2), ['Geo Metro: 000001.jpg', 'Ram C/V Cargo Van: 000002.jpg']);
  const official = await openDataset('Cars-official', root);
  t.deepEqual([official.train.samples.length, official.test.samples.length], [8, 4]);
  for (const wrong of [1.5, Number.NaN]) {
    const annotations = [{ relative_im_path: 'a.jpg', class: wrong, test: 0 }];
    await writeFile(path.join(root, 'cars_annos.mat'), new MatWriter().file({ annotations }));
    await t.throwsAsync(openDataset('Cars', root), {
      code: 'ERR_HOROBALL_DATA_LAYOUT',
      message: new RegExp(`got the class ${wrong}`),
    });
  }
  await writeFile(path.join(root, 'cars_annos.mat'), 'not a MAT file');
  await t.throwsAsync(openDataset('Cars', root), { code: 'ERR_HOROBALL_FORMAT' });
});
