// Examples in the documentation run, and `expression; // => value` holds.
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as core from '../lib/index.ts';
import * as io from '../lib/io/index.ts';
import { ArrayAdamW } from '../lib/layers/array-adamw.ts';
import * as layers from '../lib/layers/layers.ts';
import * as ops from '../lib/ops.ts';

const root = fileURLToPath(new URL('../../lib/', import.meta.url));
const scope: Record<string, unknown> = { ...core, ...io, ...layers, ArrayAdamW, join, tmpdir };

const AsyncFunction = (async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<void>;

interface Example {
  readonly file: string;
  readonly code: string;
}

function examplesOf(file: string): Example[] {
  const found = readFileSync(join(root, file), 'utf8').matchAll(/@example\n((?: *\* ?[^/\n][^\n]*\n)+)/g);
  return Array.from(found, ([, lines]) => ({ file, code: lines!.replaceAll(/^ *\* ?/gm, '') }));
}

const files = ['', 'gallery', 'io', 'layers', 'row', 'tree'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((name) => join(folder, name)),
);
const examples = files.filter((file) => file.endsWith('.ts')).flatMap(examplesOf);

// Examples that read files of the user are not run.
for (const { file, code } of examples.filter(({ code }) => !code.includes('readMat('))) {
  test(`${file}: ${code.split('\n', 1)[0]}`, async (t) => {
    const checked = code.replaceAll(/^(.+); \/\/ => (.+)$/gm, 'same($1, $2);');
    const run = new AsyncFunction(...Object.keys(scope), 'same', checked);
    await run(...Object.values(scope), (got: unknown, want: unknown) => t.deepEqual(got, want));
    t.pass();
  });
}

test('every public function and class has an example, and every operation its formula', (t) => {
  const text = examples.map(({ code }) => code).join('\n');
  const names = Object.keys({ ...core, ...io }).filter((name) => typeof scope[name] === 'function');
  t.deepEqual(
    names.filter((name) => !(name in ops) && !new RegExp(`\\b${name}\\b`).test(text)),
    [],
  );
});
