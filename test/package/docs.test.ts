// The site that `npm run docs` writes: links resolve, every option and export is documented, and nothing is loaded from the
// network. TypeDoc is installed by `npm run docs`.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import * as embed from '../../lib/embed/index.ts';
import * as core from '../../lib/index.ts';
import * as io from '../../lib/io/index.ts';
import { root } from './unpacked.ts';

test('npm run docs writes a complete site', async (t) => {
  if (!existsSync(join(root, 'lib/tasks/docs/node_modules/typedoc')))
    return t.pass('skipped: TypeDoc is not installed (npm run docs)');
  const folder = await mkdtemp(join(tmpdir(), 'horoball-docs-'));
  const { stderr } = await promisify(execFile)(process.execPath, [
    join(root, 'dist/lib/tasks/docs.js'),
    folder,
  ]);
  t.regex(stderr, /^\S+index\.html\n$/, 'TypeDoc prints no warnings');
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.html'));
  const texts = new Map<string, string>();
  for (const name of files) texts.set(name, await readFile(join(folder, name), 'utf8'));
  t.true(files.length > 200);

  const broken: string[] = [];
  for (const [name, text] of texts) {
    for (const [, target = ''] of text.matchAll(/(?:href|src)="([^"]+)"/g)) {
      if (/^(https:|data:|#|javascript:)/.test(target)) continue;
      const path = normalize(join(dirname(name), decodeURI(target.split('#')[0]!)));
      if (!texts.has(path) && !existsSync(join(folder, path))) broken.push(`${name}: ${target}`);
    }
    t.notRegex(text, /(<script|<img|<link rel="stylesheet")[^>]*(src|href)="(https?:)?\/\//, name);
  }
  t.deepEqual(broken, []);

  const pages = new Set(files.map((name) => name.replace(/^\w+\//, '').replace(/\.html$/, '')));
  for (const [name, module] of Object.entries({ horoball: core, horoball_io: io, horoball_embed: embed }))
    t.deepEqual(
      Object.keys(module).filter((each) => !pages.has(`${name}.${each}`)),
      [],
      name,
    );
  t.regex(texts.get(join('documents', 'Options.html'))!, /--hyp_c[\s\S]*curvature -c/);
  t.true(existsSync(join(folder, 'assets/search.js')));
  await rm(folder, { recursive: true });
});
