import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { makeEmoji } from '../../../../lib/train/data/emoji/make.ts';
import { fetchPackages, locatePackage } from '../../../../lib/train/data/emoji/npm.ts';
import { benchmarkSets, unicodeData } from '../../../../lib/train/data/emoji/packages.ts';
import { temporary, writeTree } from '../support.ts';
import { from } from './packages-copy.ts';

test('npm receives a lock file with the pinned versions and hashes, and its failures are reported', async (t) => {
  if (process.platform === 'win32') return t.pass('skipped: the fake npm is a shell script');
  const bin = await temporary(t);
  const before = process.env['PATH'];
  t.teardown(() => {
    process.env['PATH'] = before;
  });
  process.env['PATH'] = `${bin}:${before}`;
  const fakeNpm = async (script: string): Promise<void> => {
    await writeFile(path.join(bin, 'npm'), `#!/bin/sh\n${script}\n`);
    await chmod(path.join(bin, 'npm'), 0o755);
  };
  await fakeNpm(`echo "$@" > arguments; mkdir node_modules; cp -r '${from}'/* node_modules`);
  const folder = await temporary(t);
  const pinned = [unicodeData, ...benchmarkSets];
  await fetchPackages(folder, pinned);
  t.regex(await readFile(path.join(folder, 'arguments'), 'utf8'), /^ci --ignore-scripts /);
  const lock = JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity: string }>;
  };
  for (const { name, version, integrity } of pinned) {
    t.deepEqual(lock.packages[`node_modules/${name}`], { version, integrity });
  }
  const root = path.join(await temporary(t), 'emoji');
  t.is((await makeEmoji(root, { size: 16 })).classes, 9, 'also when called by makeEmoji');

  await fakeNpm('echo "npm error code EINTEGRITY" >&2; exit 1');
  await t.throwsAsync(fetchPackages(await temporary(t), pinned), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /expected packages with the pinned hashes.*--from/s,
  });
  await fakeNpm('echo "npm error network request failed" >&2; exit 1');
  await t.throwsAsync(fetchPackages(await temporary(t), pinned), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /request failed/,
  });
  await fakeNpm('exec sleep 60');
  const began = performance.now();
  await t.throwsAsync(fetchPackages(await temporary(t), pinned, AbortSignal.timeout(300)), {
    any: true,
    name: 'TimeoutError',
  });
  t.true(performance.now() - began < 30_000, 'an abort ends npm');
});

test('a package is found in a project, in its node_modules, and with an unknown version', async (t) => {
  const root = await temporary(t);
  const file = path.join(unicodeData.name, 'package.json');
  await t.throwsAsync(locatePackage(root, unicodeData), { code: 'ERR_HOROBALL_DATA_READ' });
  await mkdir(path.join(root, path.dirname(file)));
  await t.throwsAsync(locatePackage(root, unicodeData), { code: 'ERR_HOROBALL_DATA_READ' });
  await writeTree(root, { [file]: '{"version":"1.2.3"}' });
  const inside = { folder: path.join(root, unicodeData.name), version: '1.2.3' };
  t.deepEqual(await locatePackage(root, unicodeData), inside);
  await writeTree(root, { [path.join('node_modules', file)]: '{"version":4}' });
  const installed = { folder: path.join(root, 'node_modules', unicodeData.name), version: 'unknown' };
  t.deepEqual(await locatePackage(root, unicodeData), installed, 'node_modules comes first');
});
