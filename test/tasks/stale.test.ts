import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { removeStale } from '../../lib/tasks/stale.ts';

test('compiled files of deleted sources are removed, others are kept', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'stale-'));
  t.teardown(() => rm(root, { recursive: true }));
  const stale = ['dist/test/a/old.test.js', 'dist/test/a/old.test.js.map', 'dist/test/a/old.test.d.ts'];
  const kept = ['test/a/new.ts', 'dist/test/a/new.js', 'dist/test/a/new.js.map', 'dist/lib/bundle.js'];
  for (const file of [...stale, ...kept]) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), '');
  }
  t.deepEqual(await removeStale(root), ['test/a/old.test']);
  for (const file of kept) await t.notThrowsAsync(access(join(root, file)), file);
  for (const file of stale) await t.throwsAsync(access(join(root, file)), { code: 'ENOENT' }, file);
  t.deepEqual(await removeStale(root), []);
});
