import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { licenses } from '../../../../lib/train/data/emoji/licenses.ts';
import { makeEmoji } from '../../../../lib/train/data/emoji/make.ts';
import { benchmarkSets, extraSets } from '../../../../lib/train/data/emoji/packages.ts';
import { temporary } from '../support.ts';
import { changed, from } from './packages-copy.ts';

test('LICENSES.md names the author, license and package of every set that was drawn', async (t) => {
  const root = path.join(await temporary(t), 'emoji');
  await makeEmoji(root, { from, size: 16, all: true });
  const text = await readFile(path.join(root, 'LICENSES.md'), 'utf8');
  for (const set of [...benchmarkSets, ...extraSets])
    t.true(text.includes(`${set.name} ${set.version}`), set.id);
  for (const said of [
    'Google Inc',
    'Apache-2.0',
    'CC-BY-4.0',
    'CC-BY-SA-4.0',
    'Microsoft Corporation',
    'MIT License',
  ])
    t.true(text.includes(said), said);
});

const info = '@iconify-json/noto/info.json';
const [noto] = benchmarkSets;

test('a set without author or license is rejected', async (t) => {
  for (const text of ['{"name":"Noto"}', '{"name":"Noto","author":{"name":"Google"},"license":{}}', '[]']) {
    const packages = await changed(t, { [info]: text });
    await t.throwsAsync(licenses(packages, [noto!]), {
      code: 'ERR_HOROBALL_FORMAT',
      message: /noto.info\.json cannot be used: it names no author or license/,
    });
  }
});

test('text from a package is shortened to one line', async (t) => {
  const name = `Google\n## Another set\n${'x'.repeat(5000)}`;
  const text = JSON.stringify({ name: 'Noto', author: { name }, license: { title: 'MIT' } });
  const written = await licenses(await changed(t, { [info]: text }), [noto!]);
  const author = written.split('\n').find((line) => line.startsWith('- Author: '))!;
  t.regex(author, /^- Author: Google ## Another set x+$/);
  t.true(author.length < 400);
  t.regex(written, /^- License: MIT$/m);
});
