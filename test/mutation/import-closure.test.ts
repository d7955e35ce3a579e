// A cached mutation-test result is valid only while every file that the tests load, directly or indirectly, is unchanged.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { temporary } from '../train/data/support.ts';
import { importClosure } from './import-closure.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('follows imports, dynamic imports, cycles and child processes', async (t) => {
  const folder = await temporary(t);
  const files = {
    'test/a.test.ts': "import { b } from './b.ts';\nnew URL('a-child.js', import.meta.url);\n",
    'test/b.ts': "import type { C } from '../lib/c.ts';\nexport * from './a.test.ts';\n",
    'test/a-child.ts': "await import('./late.ts'); await import('./missing.ts');\n",
    'test/late.ts': '',
    'test/other.ts': '',
    'lib/c.ts': '',
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const found = await importClosure(folder, ['test/a.test.ts']);
  t.deepEqual([...found.keys()].sort(), [
    'lib/c.ts',
    'test/a-child.ts',
    'test/a.test.ts',
    'test/b.ts',
    'test/late.ts',
  ]);
  t.is(found.get('test/b.ts'), files['test/b.ts']);
});

test('the tests of distances use the oracle, its tolerances and the helpers', async (t) => {
  const found = await importClosure(root, ['test/pairwise.test.ts']);
  for (const name of ['test/oracle.ts', 'test/tolerances.ts', 'test/support.ts', 'lib/pairwise.ts'])
    t.true(found.has(name), name);
});
