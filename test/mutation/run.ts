// npm run test:mutation -- [text...]: plants the faults of mutants.ts one after another in a copy of the sources, and runs
// the tests that must find them. Prints the score; exits with code 1 if a fault was not found or does not compile.
// Arguments select the files whose paths contain one of them. Results are cached in build/mutation, so a repeated
// call resumes an interrupted one and tests only changed files.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import type { AddonRecord } from '../../lib/setup/record.ts';
import { importClosure } from './import-closure.ts';
import type { Mutant } from './mutant.ts';
import { mutants, undetectable } from './mutants.ts';

const run = promisify(execFile);
const folder = resolve('build', 'mutation');
const tree = join(folder, 'tree');
const resultFile = join(folder, 'results.json');
/** What a fault is built into: TypeScript, the core, the core with emulated CUDA kernels, or the training addon. */
type Part = 'lib' | 'core' | 'emulated' | 'train';
function partOf({ file }: Pick<Mutant, 'file'>): Part {
  if (file.startsWith('native/torch/')) return 'train';
  if (file.startsWith('native/cuda/')) return 'emulated';
  return file.startsWith('native/') ? 'core' : 'lib';
}
/** Where the tests load the training addon from. */
const addonFolder = join('native', 'torch', 'build', 'Release');
/** Compiles only the baseline level, because all SIMD levels share the formulas. */
const levelOption = '-DHOROBALL_BASELINE_ONLY=ON';
const timeoutMs = 15 * 60_000;

type Verdict = 'found' | 'not found' | 'does not compile';

/** Copies the sources and their build output to `tree`, and builds these parts. */
async function copyTree(parts: ReadonlySet<Part>): Promise<void> {
  await mkdir(tree, { recursive: true });
  for (const name of [
    'native',
    'lib',
    'test',
    'dist',
    'package.json',
    'CMakeLists.txt',
    'tsconfig.json',
    'biome.json',
  ]) {
    await rm(join(tree, name), { recursive: true, force: true });
    await cp(name, join(tree, name), { recursive: true, filter: (from) => !from.includes('torch/build') });
  }
  await cp(addonFolder, join(tree, addonFolder), { recursive: true });
  for (const name of ['node_modules', 'bench'])
    await symlink(resolve(name), join(tree, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  await mkdir(join(tree, 'build', 'Release'), { recursive: true });
  await cp(join('build', 'Release', 'core.node'), join(tree, 'build', 'Release', 'core.node'));
  for (const part of parts) await build(part);
}

async function build(part: Part): Promise<void> {
  if (part === 'lib') return;
  if (part === 'train') return await buildAddon();
  const out = join(folder, 'core');
  await run('cmake', ['-S', tree, '-B', out, '-DHOROBALL_CUDA=OFF', levelOption]);
  await run('cmake', ['--build', out, '--target', part, '--parallel', '2'], { maxBuffer: 1 << 26 });
}

/** Builds the addon of the tree with the tree's copy of `buildTrainAddon` and this checkout's libtorch. */
async function buildAddon(): Promise<void> {
  const { libtorch } = JSON.parse(await readFile(join(addonFolder, 'train.json'), 'utf8')) as AddonRecord;
  const module = pathToFileURL(join(tree, 'dist', 'lib', 'setup', 'build.js')).href;
  const { buildTrainAddon } = (await import(module)) as typeof import('../../lib/setup/build.ts');
  const ignore = (): void => {};
  await buildTrainAddon(libtorch, { say: ignore, progress: ignore, steps: ignore, status: ignore });
}

/** Transpiles a file like the TypeScript compiler, but much faster. */
async function compiled(text: string): Promise<string> {
  const { code } = await transform(text, { loader: 'ts', target: 'node20' });
  return code.replaceAll(/((?:from|import)\s*\(?\s*["']\.[^"']*)\.ts(["'])/g, '$1.js$2');
}

/**
 * Writes a source file and its compiled output.
 *
 * @returns false if it does not compile
 */
async function put(file: string, text: string): Promise<boolean> {
  await writeFile(join(tree, file), text);
  const part = partOf({ file });
  if (part !== 'lib')
    return await build(part).then(
      () => true,
      () => false,
    );
  const code = await compiled(text).catch(() => null);
  if (code !== null) await writeFile(join(tree, 'dist', file.replace(/\.ts$/, '.js')), code);
  return code !== null;
}

async function passes(name: string, part: Part): Promise<boolean> {
  const ava = resolve('node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const args = [ava, '--fail-fast', '--serial', join('dist', 'test', `${name}.test.js`)];
  return await run(process.execPath, args, {
    ...{ cwd: tree, timeout: timeoutMs, maxBuffer: 1 << 26 },
    env: {
      ...process.env,
      ...((part === 'core' || part === 'emulated') && { HOROBALL_CORE: await builtCore(part) }),
    },
  }).then(
    () => true,
    () => false,
  );
}

const checked = new Set<string>();

/** Returns whether a test fails with the fault. Throws if that test also fails without it. */
async function isFound(mutant: Mutant, restore: () => Promise<unknown>): Promise<boolean> {
  const part = partOf(mutant);
  for (const name of mutant.tests) {
    if (!(await passes(name, part))) {
      if (checked.has(`${name} ${part}`)) return true;
      await restore();
      if (!(await passes(name, part))) throw new Error(`${name} fails without a planted fault`);
      checked.add(`${name} ${part}`);
      return true;
    }
  }
  return false;
}

async function builtCore(part: 'core' | 'emulated'): Promise<string> {
  const places = part === 'core' ? ['', 'Release'] : ['emulated'];
  for (const place of places.map((each) => join(each, 'core.node'))) {
    const file = join(folder, 'core', place);
    if (await readFile(file).then(Boolean, () => false)) return file;
  }
  throw new Error('the core was not built');
}

async function plant(mutant: Mutant): Promise<Verdict> {
  const { file, from, to } = mutant;
  const original = await readFile(file, 'utf8');
  if (original.split(from).length !== 2) throw new Error(`${file}: expected this text once: ${from}`);
  try {
    const compiles = await put(
      file,
      original.replace(from, () => to),
    );
    if (!compiles) return 'does not compile';
    return (await isFound(mutant, () => put(file, original))) ? 'found' : 'not found';
  } finally {
    await put(file, original);
  }
}

/** The sources in native/ops, whose cards state the tolerances that tests enforce. */
const cards = await Promise.all(
  (await readdir(join('native', 'ops'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => readFile(file, 'utf8')),
);

/** A key that changes with the fault, its file, its tests, everything that they import, and the cards. */
async function keyOf({ file, from, to, tests }: Mutant): Promise<string> {
  const used = await importClosure('.', [file, ...tests.map((name) => `test/${name}.test.ts`)]);
  const hash = createHash('sha256').update(JSON.stringify([from, to, [...used], cards]));
  return `${file} ${hash.digest('hex').slice(0, 16)}`;
}

const wanted = process.argv.slice(2);
const chosen = mutants.filter(
  ({ file }) => wanted.length === 0 || wanted.some((text) => file.includes(text)),
);
await mkdir(folder, { recursive: true });
const results = JSON.parse(await readFile(resultFile, 'utf8').catch(() => '{}')) as Record<string, Verdict>;
const keys = await Promise.all(chosen.map(keyOf));
const left = chosen.filter((_, i) => results[keys[i]!] === undefined);
if (left.length > 0) await copyTree(new Set(left.map(partOf)));
for (const mutant of left) {
  const verdict = await plant(mutant);
  results[await keyOf(mutant)] = verdict;
  await writeFile(resultFile, JSON.stringify(results, null, 1));
  const { file, from, to } = mutant;
  process.stdout.write(
    `${verdict}: ${file}: ${JSON.stringify(from.trim())} -> ${JSON.stringify(to.trim())}\n`,
  );
}
const verdicts = keys.map((key) => results[key]);
const count = (verdict: Verdict): number => verdicts.filter((each) => each === verdict).length;
const [found, invalid] = [count('found'), count('does not compile')];
process.stdout.write(
  `${found} of ${verdicts.length} planted faults were found, ${invalid} did not compile\n`,
);
for (const { file, text, reason } of undetectable)
  process.stdout.write(`not planted: ${file}: ${text} (${reason})\n`);
if (found < verdicts.length) process.exitCode = 1;
