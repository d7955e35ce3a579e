// Checks that mutation testing plants faults in every folder that has clamps or checks, so no new folder is forgotten.
import { readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { mutants } from './mutants.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Folders in which no faults are planted, with the reason. */
const exceptions: Readonly<Record<string, string>> = {
  'lib/tasks': 'scripts of the build, which are not published and whose results other tests check',
};

const roots = ['lib', 'native/ops', 'native/cpu'];
const isSource = /\.(ts|h|cc)$/;
/** Matches a minimum, a maximum, a selection by a condition, an error, or the name of a limit. */
const guard =
  /\bMath\.(min|max)\(|\bthrow [a-z]|\bstd::(f?min|f?max|clamp)\(|\bwhere\(|\bk(Least|Top|Rim)\w*\b/;

async function foldersWithGuards(): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const folder of roots) {
    for (const name of await readdir(posix.join(root, folder), { recursive: true })) {
      const file = posix.join(folder, name.replaceAll('\\', '/'));
      if (!isSource.test(file) || found.has(posix.dirname(file))) continue;
      if (guard.test(await readFile(posix.join(root, file), 'utf8'))) found.add(posix.dirname(file));
    }
  }
  return found;
}

test('every folder with a clamp or a check has a planted fault, or a reason for none', async (t) => {
  const guarded = await foldersWithGuards();
  const planted = new Set(mutants.map(({ file }) => posix.dirname(file)));
  t.deepEqual(
    [...guarded].filter((folder) => !planted.has(folder) && !(folder in exceptions)),
    [],
    'add a fault to test/mutation',
  );
  t.deepEqual(
    Object.keys(exceptions).filter((folder) => planted.has(folder) || !guarded.has(folder)),
    [],
    'not an exception: remove it',
  );
});
