import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { withEqualHashes } from '../../equal-hashes.ts';
import { temporary, writeTree } from './support.ts';
import { makeSop } from './trees.ts';

test.serial('class numbers with equal hashes take linear time', async (t) => {
  const root = await temporary(t);
  const ids = withEqualHashes(2 ** 14);
  const list = ids.map((id, i) => `${i} ${id} 1 a.jpg`).join('\n');
  await writeTree(root, {
    'a.jpg': '',
    'Ebay_train.txt': `image_id\n${list}`,
    'Ebay_test.txt': 'image_id\n1 7 1 a.jpg',
  });
  const spent = startCpuClock();
  const { train } = await openDataset('SOP', root);
  const ms = spent();
  t.is(train.classes.length, ids.length);
  t.deepEqual(train.classes.slice(0, 2), ids.slice(0, 2).map(String));
  t.deepEqual(train.samples[1]!.label, 1);
  t.true(ms < 500, `${ms} ms`);
});

test('the error for an invalid line of a list quotes the line', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const list = path.join(root, 'Stanford_Online_Products/Ebay_test.txt');
  const code = 'ERR_HOROBALL_DATA_LAYOUT';
  await writeFile(list, 'image_id class_id super_class_id path\n1 2 broken\n');
  await t.throwsAsync(openDataset('SOP', root), {
    code,
    message: /Ebay_test.txt: expected .*, got '1 2 broken'/,
  });
  await writeFile(list, 'x'.repeat(1e6));
  await t.throwsAsync(openDataset('SOP', root), { code, message: /^.{0,200}$/ });
  await writeFile(list, `image_id\n${'1 1 1 a\n'.repeat(150_000)}`);
  await t.throwsAsync(openDataset('SOP', root), { code, message: /at most 131072 lines/ });
});
