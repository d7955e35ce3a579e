// Runs lib/examples/ as the documentation says, from the root of the repository.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { root } from './unpacked.ts';

const require = createRequire(join(root, 'package.json'));

async function example(name: string, ...args: string[]): Promise<string> {
  const run = promisify(execFile);
  return (await run(process.execPath, [join(root, 'lib/examples', name), ...args], { cwd: root })).stdout;
}

/** Whether a package that only one example needs is installed. */
function has(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

test('hierarchy: linked names are nearest neighbors, and the drawing contains every name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-example-'));
  const file = join(folder, 'tree.svg');
  const said = await example('hierarchy.mjs', file);
  t.true(Number(/mean average precision of the links ([\d.]+)/.exec(said)?.[1]) > 0.85, said);
  const svg = await readFile(file, 'utf8');
  t.is([...svg.matchAll(/<text /g)].length, 35);
  t.is([...svg.matchAll(/<polyline /g)].length, 34);
  t.notRegex(svg, /NaN|undefined/);
  await rm(folder, { recursive: true });
});

test('rerank: a flat index is exact, a graph index nearly exact after reranking', async (t) => {
  if (!has('usearch')) return t.pass('skipped: usearch is not installed');
  const said = await example('rerank.mjs', '5000');
  const numbers = Array.from(said.matchAll(/alone ([\d.]+) {2}reranked ([\d.]+)/g), (match) =>
    match.slice(1).map(Number),
  );
  const [flat, graph] = numbers as [number[], number[]];
  t.true(flat[1]! > 0.995, said);
  t.true(graph[1]! > 0.93 && graph[1]! > graph[0]! + 0.1, said);
});

test("loss-of-buffers: training decreases the loss in another framework's memory", async (t) => {
  if (!has('onnxruntime-node')) return t.pass('skipped: onnxruntime-node is not installed');
  const losses = Array.from((await example('loss-of-buffers.mjs')).matchAll(/loss ([\d.]+)/g), ([, x]) =>
    Number(x),
  );
  t.true(losses.length === 4 && losses[3]! < 0.1 * losses[0]!, `${losses}`);
});

const mistakes: [name: string, args: string[], sentence: RegExp][] = [
  ['hierarchy.mjs', [tmpdir()], /^EISDIR: .*/],
  ['rerank.mjs', ['many'], /^rows: expected an integer of at least 50, got many$/],
  ['similar.mjs', [], /^usage: node lib\/examples\/similar\.mjs MODEL IMAGES \[port\]$/],
  ['similar.mjs', ['none', 'none', 'x'], /^usage: /],
  ['similar.mjs', ['none', 'none'], /^ENOENT: .*none'$/],
];

for (const [name, args, sentence] of mistakes) {
  test(`${name} ${args.join(' ')}: a usage error gives a one-sentence message and a failing exit code`, async (t) => {
    if (name === 'rerank.mjs' && !has('usearch')) return t.pass('skipped: usearch is not installed');
    const { code, stderr } = await t.throwsAsync<Error & { code: number; stderr: string }>(
      example(name, ...args),
    );
    t.true(code > 0);
    t.regex(stderr.trimEnd(), sentence);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  });
}

test('an example reports a missing package in one sentence', async (t) => {
  if (has('onnxruntime-node')) return t.pass('skipped: onnxruntime-node is installed');
  const { stderr } = await t.throwsAsync<Error & { stderr: string }>(example('loss-of-buffers.mjs'));
  t.is(stderr, 'this example needs onnxruntime-node: npm install onnxruntime-node\n');
});
