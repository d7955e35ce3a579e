// The site that `npm run docs` writes: links resolve, every option and export has a place, and nothing is
// loaded from the network.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import * as embed from '../../lib/embed/index.ts';
import * as core from '../../lib/index.ts';
import * as io from '../../lib/io/index.ts';
import { root } from './unpacked.ts';

test('the site is complete', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-docs-'));
  await promisify(execFile)(process.execPath, [join(root, 'dist/lib/tasks/docs.js'), folder]);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.html'));
  const texts = new Map<string, string>();
  for (const name of files) texts.set(name, await readFile(join(folder, name), 'utf8'));
  t.true(files.length > 20);

  const broken: string[] = [];
  for (const [name, text] of texts) {
    for (const [, href = ''] of text.matchAll(/href="([^"]+)"/g)) {
      if (href.startsWith('https:')) continue;
      const [path = '', id] = href.split('#');
      const target = texts.get(path === '' ? name : normalize(join(dirname(name), path)));
      if (target === undefined || (id !== undefined && !target.includes(`id="${id}"`)))
        broken.push(`${name}: ${href}`);
    }
    t.notRegex(text, /<(script|link|iframe)\b|src="(?!data:)|url\(/, name);
  }
  t.deepEqual(broken, []);

  const described = (page: string, names: readonly string[]): string[] =>
    names.filter((name) => !texts.get(page)!.includes(`<h2 id="${name.toLowerCase()}">${name}</h2>`));
  t.deepEqual(described(join('api', 'horoball.html'), Object.keys(core)), []);
  t.deepEqual(described(join('api', 'horoball-io.html'), Object.keys(io)), []);
  t.deepEqual(described(join('api', 'horoball-embed.html'), Object.keys(embed)), []);
  t.regex(texts.get(join('lib', 'guide', 'options.html'))!, /--hyp_c[\s\S]*curvature -c/);
  await rm(folder, { recursive: true });
});
