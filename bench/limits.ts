// Measurements with a fixed limit instead of a peer: loading time, and the evaluation of a full SOP test set.
// `limits.js THREADS PROTOCOL` measures the latter once; `measureEvaluation` runs it in a fresh process per protocol.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { retrievalMetrics } from '../lib/index.ts';
import { entryArguments, inFreshProcess } from './fresh-process.ts';
import { figure } from './measure.ts';
import { peakBytes } from './memory.ts';
import { type Labels, type Row, row } from './results.ts';
import { sopTest } from './shapes.ts';
import { testSet } from './suites/evaluation.ts';

const processes = 9;

/** Times `require` of core.node and `import` of the package in fresh processes, and measures the size of core.node. */
export async function measureLoading(threads: number): Promise<Row[]> {
  const index = import.meta.resolve('horoball');
  const file = await coreOf(index);
  const ways = {
    'require core.node': `createRequire(import.meta.url)(${JSON.stringify(file)})`,
    'import horoball, first call': `(await import(${JSON.stringify(index)})).coreInfo()`,
  };
  const known = { ...loading, suite: 'loading', side: 'horoball', status: 'measured', threads };
  const rows: Row[] = [];
  for (const [op, code] of Object.entries(ways)) {
    const times: number[] = [];
    for (let i = 0; i < processes; ++i) times.push(await loadOnce(code));
    const { median: ms, spread } = figure(times);
    rows.push(row({ ...known, op, ms, spread }, op === loading.op ? { of: 'ms', atMost: 10 } : undefined));
  }
  const value = (await stat(file)).size / 1e6;
  return [...rows, row({ ...known, op: 'core.node, size', value, unit: 'MB' })];
}

/** Returns the file from which the package loads its core, determined in a process without other addons. */
async function coreOf(index: string): Promise<string> {
  const file = await printedBy(`(await import(${JSON.stringify(index)})).coreInfo();
    console.log(process.report.getReport().sharedObjects.find((name) => name.endsWith('.node')));`);
  return file.trim();
}

async function loadOnce(code: string): Promise<number> {
  const timed = `import { createRequire } from 'node:module';
    const begin = performance.now();
    ${code};
    console.log(performance.now() - begin);`;
  return Number(await printedBy(timed));
}

async function printedBy(code: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code])).stdout;
}

const loading: Labels = {
  op: 'require core.node',
  shape: 'a fresh process',
  n: 1,
  m: 1,
  dim: 1,
  views: 0,
  type: '',
  geometry: '',
  heads: '',
  guards: 'clean',
  pass: 'forward',
};

interface Evaluation {
  readonly ms: number;
  readonly bytes: number | null;
}

/** The values of k in Recall@k: only 1, or all that are published for the data set. */
const protocols = { 'Recall@1': [1], 'Recall@1 to @1000': [1, 10, 100, 1000] } as const;
type Protocol = keyof typeof protocols;

/** Measures the time and memory of Recall@k, R-Precision and MAP@R of 60,502 rows, once per protocol. */
export async function measureEvaluation(threads: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const protocol of Object.keys(protocols) as Protocol[])
    rows.push(...(await evaluated(protocol, threads)));
  return rows;
}

async function evaluated(protocol: Protocol, threads: number): Promise<Row[]> {
  const { ms, bytes } = await inFreshProcess<Evaluation>(import.meta.url, threads, protocol);
  const { name: shape, rows: n, dim } = sopTest;
  const labels = { ...loading, shape, n, m: n, dim, type: 'float32', geometry: 'poincare' };
  const op = protocol === 'Recall@1' ? 'retrievalMetrics' : `retrievalMetrics, ${protocol}`;
  const known = { ...labels, suite: 'evaluation sop-test', side: 'horoball', status: 'measured', threads };
  const gflop = (2 * n * n * dim) / 1e9;
  const peakMB = (bytes ?? Number.NaN) / 1e6;
  return [
    row({ ...known, op, ms, gflop, gflops: (1000 * gflop) / ms, peakMB }, { of: 'ms', atMost: 20_000 }),
    row(
      { ...known, op: `${op}, memory`, value: peakMB, unit: 'MB beyond the rows' },
      { of: 'value', atMost: 300 },
    ),
  ];
}

const given = entryArguments(import.meta.url);
if (given !== undefined) {
  const [threads, protocol = 'Recall@1'] = given as [string, Protocol?];
  const { x, classes } = testSet(sopTest);
  const options = { ks: protocols[protocol], metric: 'poincare', c: 0.1, threads: Number(threads) } as const;
  let ms = Number.NaN;
  const bytes = await peakBytes(() => {
    const begin = performance.now();
    retrievalMetrics.sync(x, classes, options);
    ms = performance.now() - begin;
  });
  process.stdout.write(JSON.stringify({ ms, bytes }));
}
