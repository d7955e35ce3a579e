// The core in other processes and workers: every SIMD level, loading and exiting.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { coreInfo, matrix, pairwiseDistance } from '../lib/index.ts';

const run = promisify(execFile);
const library = new URL('../lib/index.js', import.meta.url).href;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a module in a separate process and returns its output. */
async function node(code: string, env: Record<string, string> = {}): Promise<string> {
  const options = { env: { ...process.env, ...env }, cwd: root };
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], options);
  return stdout.trim();
}

test('the selected level is supported by the machine', (t) => {
  const { level, levels, threads } = coreInfo();
  t.true(levels.includes(level));
  t.true(threads >= 1);
});

for (const level of coreInfo().levels) {
  test(`${level}: results equal the references`, async (t) => {
    const env = { ...process.env, HOROBALL_ISA: level };
    const files = [
      'pairwise',
      'pairwise-lorentz',
      'loss',
      'retrieval',
      'delta',
      'threads',
      'ops-reference',
      'contract',
    ].map((name) => `dist/test/${name}.test.js`);
    const ava = fileURLToPath(new URL('../../node_modules/ava/entrypoints/cli.mjs', import.meta.url));
    const { stdout } = await run(process.execPath, [ava, '--serial', ...files], {
      env,
      cwd: root,
      maxBuffer: 1 << 26,
    });
    t.regex(stdout, /tests passed/);
    t.is(
      await node(`import { coreInfo } from '${library}'; console.log(coreInfo().level)`, {
        HOROBALL_ISA: level,
      }),
      level,
    );
  });
}

test('an unsupported level causes a coded error that names the supported ones', async (t) => {
  const code = `import { coreInfo } from '${library}';
    try { coreInfo() } catch (error) { console.log(error.code, error.message) }`;
  const said = await node(code, { HOROBALL_ISA: 'sve' });
  t.regex(said, /^ERR_HOROBALL_ISA HOROBALL_ISA=sve: this machine supports /);
  t.true(said.includes(coreInfo().levels.join(', ')));
});

test.serial(
  "importing and loading the core take at most a third of Node's startup time, without libtorch",
  async (t) => {
    const code = `const begin = performance.now();
    const { coreInfo } = await import('horoball');
    coreInfo();
    console.log((performance.now() - begin) / begin);
    import { readFileSync } from 'node:fs';
    console.log(process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '');`;
    const parts: number[] = [];
    // Other processes affect the times of the core and of Node, so the best of several attempts counts.
    for (let tries = 0; tries < 40 && !(Math.min(...parts) < 1 / 3); ++tries) {
      const text = await node(code);
      parts.push(Number(text.split('\n', 1)[0]));
      t.false(/torch|cuda/i.test(text.replaceAll(root, '')));
    }
    t.true(Math.min(...parts) < 1 / 3, `${parts} of Node's startup time`);
  },
);

test('the light package never imports the training layer', async (t) => {
  const seen = new Set<string>();
  const visit = async (url: URL): Promise<void> => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    const text = await readFile(url, 'utf8');
    const imports = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
    for (const [, path] of imports) await visit(new URL(path!, url));
  };
  await visit(new URL(library));
  t.true(seen.size > 10);
  t.deepEqual(
    [...seen].filter((href) => href.includes('/lib/train/')),
    [],
  );
});

const work = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { matrix, pairwiseDistance } = await import(workerData);
  const x = matrix(new Float32Array(3000 * 64).fill(0.01), 3000, 64);
  parentPort.postMessage('begun');
  const d = await pairwiseDistance(x, undefined, { c: 1 });
  parentPort.postMessage(d.data[1]);`;

test('each worker has a separate instance of the core', async (t) => {
  const results = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(work, { eval: true, workerData: library });
          worker.on('message', (message) => message === 'begun' || resolve(message));
          worker.on('error', reject);
        }),
    ),
  );
  t.deepEqual(results, [0, 0, 0]);
});

test('terminating a worker during a job does not harm the process', async (t) => {
  for (let i = 0; i < 5; ++i) {
    const worker = new Worker(work, { eval: true, workerData: library });
    await new Promise((resolve) => worker.once('message', resolve));
    t.is(await worker.terminate(), 1);
  }
  t.is(pairwiseDistance.sync(matrix(new Float32Array([0, 0]), 2, 1), undefined, { c: 1 }).data[1], 0);
});

test('a process that exits during a job exits cleanly', async (t) => {
  const code = `import { matrix, pairwiseDistance } from '${library}';
    const x = matrix(new Float32Array(6000 * 64).fill(0.01), 6000, 64);
    void pairwiseDistance(x, undefined, { c: 1 });
    setTimeout(() => { console.log('out'); process.exit(0) }, 5);`;
  t.is(await node(code), 'out');
});
