import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { temporary, writeTree } from './support.ts';
import { makeSop } from './trees.ts';

/** The hash of a small integer in V8, whose lowest bits select the bucket of a map or set. */
function hashOf(id: number): number {
  let hash = ~id + (id << 15);
  hash ^= hash >>> 12;
  hash += hash << 2;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  return hash ^ (hash >>> 16);
}

test.serial('class numbers with equal hashes take linear time', async (t) => {
  const root = await temporary(t);
  const ids: number[] = [];
  for (let id = 1; ids.length < 2 ** 14; id++) if ((hashOf(id) & 0x1fff) === 0) ids.push(id);
  const list = ids.map((id, i) => `${i} ${id} 1 a.jpg`).join('\n');
  await writeTree(root, {
    'a.jpg': '',
    'Ebay_train.txt': `image_id\n${list}`,
    'Ebay_test.txt': 'image_id\n1 7 1 a.jpg',
  });
  const before = process.cpuUsage();
  const { train } = await openDataset('SOP', root);
  const { user, system } = process.cpuUsage(before);
  t.is(train.classes.length, ids.length);
  t.deepEqual(train.classes.slice(0, 2), ids.slice(0, 2).map(String));
  t.deepEqual(train.samples[1]!.label, 1);
  t.true(user + system < 5e5, `${(user + system) / 1000} ms`);
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
