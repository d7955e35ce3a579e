// The examples in TSDoc comments and the guide compile with the declared types under `strict`.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as embed from '../../lib/embed/index.ts';
import * as core from '../../lib/index.ts';
import * as io from '../../lib/io/index.ts';
import * as train from '../../lib/train/index.ts';
import { root } from './unpacked.ts';

/** By module, the names that examples may use without importing them. */
const modules: Readonly<Record<string, readonly string[]>> = {
  horoball: Object.keys(core),
  'horoball/io': Object.keys(io),
  'horoball/embed': Object.keys(embed),
  'horoball/train': Object.keys(train),
  'node:path': ['join'],
  'node:os': ['tmpdir'],
};

/** Declarations of the names that a partial example uses without defining them. */
const given: Readonly<Record<string, string>> = {
  embedder: "import('horoball/train').Embedder",
  batch: "import('horoball/train').Batch & import('horoball/train').LabeledBatch",
  loss: "import('horoball/train').HybridLoss",
  optimizer: "import('horoball/train').AdamW",
  test: "import('horoball/train').Split",
  embeddings: "import('horoball/train').Tensor",
  images: 'Uint8Array',
  labels: 'Int32Array',
  counts: 'readonly number[]',
  count: 'number',
};

/** Converts an example to a module: adds imports, and declarations of names that it does not define. */
function asModule(code: string): string {
  const text = code.replaceAll(/\/\/.*$/gm, '');
  const own = Array.from(
    text.matchAll(/\b(?:import|const|let|using|function) ([^=(]+)/g),
    ([, names]) => names!,
  );
  const names = (list: string): string[] => list.match(/\w+/g) ?? [];
  const known = new Set(own.flatMap(names));
  const isFree = (name: string): boolean =>
    !known.has(name) && new RegExp(`(?<![.\\w'])${name}\\b(?!:)`).test(text);
  const lines: string[] = [];
  for (const [module, all] of Object.entries(modules)) {
    const used = all.filter(isFree);
    for (const name of used) known.add(name);
    if (used.length > 0) lines.push(`import { ${used.join(', ')} } from '${module}';`);
  }
  for (const [name, type] of Object.entries(given))
    if (isFree(name)) lines.push(`declare const ${name}: ${type};`);
  return `${lines.join('\n')}\n${code}\nexport {};\n`;
}

/** The examples of a file, keyed by the line at which each begins. */
async function examplesOf(path: string): Promise<[name: string, code: string][]> {
  const text = await readFile(join(root, path), 'utf8');
  const found = path.endsWith('.md')
    ? text.matchAll(/^```(?:js|ts)\n(.*?)^```/gms)
    : text.matchAll(/@example\n((?: *\* ?[^/\n][^\n]*\n)+)/g);
  return Array.from(found, (match) => {
    const line = text.slice(0, match.index).split('\n').length;
    return [`${path.replaceAll(/[^\w]/g, '_')}_${line}`, match[1]!.replaceAll(/^ *\* ?/gm, '')];
  });
}

test('the examples in comments and the guide compile', async (t) => {
  const folders = [
    '.',
    'lib',
    'lib/io',
    'lib/embed',
    'lib/train',
    'lib/train/lane',
    'lib/train/measure',
    'lib/guide',
  ];
  const lists = await Promise.all(
    folders.map(async (folder) => (await readdir(join(root, folder))).map((name) => join(folder, name))),
  );
  const files = lists.flat().filter((name) => /\.(ts|md)$/.test(name));
  const examples = (await Promise.all(files.map(examplesOf))).flat();
  t.true(examples.length > 30, String(examples.length));
  const folder = join(root, 'dist', 'snippets'); // in the package folder, so that the examples can import the package by its name
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, code] of examples) await writeFile(join(folder, `${name}.mts`), asModule(code));
  const options = {
    noEmit: true,
    strict: true,
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    skipLibCheck: true,
  };
  const config = join(folder, 'tsconfig.json');
  await writeFile(config, JSON.stringify({ compilerOptions: options, include: ['*.mts'] }));
  const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  const text = await new Promise<string>((done) => {
    execFile(process.execPath, [tsc, '-p', config], (_, stdout) => done(stdout));
  });
  t.is(text, '');
  await rm(folder, { recursive: true });
});
