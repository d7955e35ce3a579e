// Packages that lack a file, or contain the binary of another system, are not published.
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { packageOf, packagesFor, platforms } from '../../lib/platforms.ts';
import { binaryFault, packageFaults } from '../../lib/tasks/package-faults.ts';
import { root } from '../package/unpacked.ts';

test('accepts a binary for its own platform only', (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: reads an ELF file');
  const core = readFileSync(join(root, 'build/Release/core.node'));
  const fitting = Object.entries(platforms).filter(
    ([, platform]) => binaryFault(core, platform) === undefined,
  );
  t.deepEqual(
    fitting.map(([name]) => name),
    [`linux-${process.arch}`],
  );
  const { 'linux-x64': linux } = platforms;
  t.is(binaryFault(Buffer.alloc(0), linux!), 'is not a binary for linux-x64');
  t.is(binaryFault(readFileSync(process.execPath).subarray(0, 4096), linux!), 'is not a Node-API addon');
});

test('there is one package per processor and C library', (t) => {
  t.deepEqual(packagesFor('linux', 'arm64'), [
    '@horoball/core-linux-arm64',
    '@horoball/core-linuxmusl-arm64',
  ]);
  t.deepEqual(packagesFor('freebsd', 'x64'), []);
});

test('rejects an incomplete package, and names the missing files', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-faults-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const put = async (file: string, text = ''): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  const version = (value: string): Promise<void> => {
    const names = Object.keys(platforms).map(packageOf);
    const optionalDependencies = Object.fromEntries(names.map((name) => [name, value]));
    return put('package.json', JSON.stringify({ ...manifest, optionalDependencies }));
  };
  await mkdir(join(folder, 'dist/lib'), { recursive: true });
  await version(manifest.version);
  for (let missing = packageFaults(folder); missing.length > 0; ) {
    const [, file] = /^horoball: (\S+) is missing$/.exec(missing[0]!) ?? [];
    t.truthy(file, missing[0]);
    await put(file!);
    const left = packageFaults(folder);
    t.true(left.length < missing.length);
    missing = left;
  }
  await put('dist/lib/other.js', "import { z } from 'zod';\n");
  t.deepEqual(packageFaults(folder), ['horoball: dist/lib/other.js imports zod. Run npm run build:js']);
  await put('dist/lib/other.js', "new URL('./file\\\n.js', import.meta.url);\n");
  const divided = 'horoball: dist/lib/other.js continues a string literal on the next line';
  t.deepEqual(packageFaults(folder), [divided]);
  await put('dist/lib/other.js', 'const text = `a backslash: \\\\\n`;\n');
  t.deepEqual(packageFaults(folder), []);
  await rm(join(folder, 'dist/lib/other.js'));
  await version('0.0.1');
  t.is(packageFaults(folder).length, Object.keys(platforms).length);
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  t.is(packageFaults(folder).length, Object.keys(platforms).length);
});
