import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { temporary } from './support.ts';
import { makeSop } from './trees.ts';

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
