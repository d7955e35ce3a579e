import test from 'ava';
import { readClasses } from '../../../lib/train/data/folder.ts';
import { baselineFeatures } from '../../../lib/train/measure/baselines.ts';
import { temporary, writeClasses, writeTree } from '../data/support.ts';

test('every readable image has a row under each baseline', async (t) => {
  const root = await temporary(t);
  await writeClasses(root, 3, 8);
  await writeTree(root, { 'class1/3.jpg': 'damaged' });
  const baselines = await baselineFeatures(await readClasses(root), 24);
  t.deepEqual(
    baselines.map(({ name }) => name),
    ['raw pixels', 'color and gradient histograms'],
  );
  for (const { features, labels } of baselines) {
    t.is(features.rows, 23);
    t.deepEqual([...labels].filter((label) => label === 1).length, 7);
  }
  t.is(baselines[0]!.features.cols, 3 * 24 * 24);
});
