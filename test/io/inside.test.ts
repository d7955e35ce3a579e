import { lstat, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { fileKey, openInside, refersTo } from '../../lib/io/inside.ts';
import type { OpenFile } from '../../lib/io/thread-file.ts';
import { temporary } from '../train/data/support.ts';

test('a path refers to an open file until the file is moved or replaced', async (t) => {
  const path = join(await temporary(t), 'log');
  await writeFile(path, 'one');
  const file = await openInside(path);
  t.teardown(() => file.close());
  t.true(await refersTo(path, file));
  await rename(path, `${path}-moved`);
  t.false(await refersTo(path, file));
  await writeFile(path, 'two');
  t.false(await refersTo(path, file));
  t.true(await refersTo(`${path}-moved`, file));
});

test('files of different file systems, and inodes above 2^53, are told apart', async (t) => {
  const path = join(await temporary(t), 'log');
  await writeFile(path, 'one');
  const found = await lstat(path, { bigint: true });
  const isSame = (other: object): Promise<boolean> =>
    refersTo(path, {
      stat: async () => Object.assign(await lstat(path, { bigint: true }), other),
    } as unknown as OpenFile);
  t.true(await isSame({}));
  t.is(await isSame({ dev: found.dev + 1n }), process.platform === 'win32');
  const [one, other] = [2n ** 57n, 2n ** 57n + 1n].map((ino) => fileKey(Object.assign(found, { ino })));
  t.not(one, other);
});
