// What has a limit of its own and no peer: how long loading takes, and a whole SOP test set evaluated.
// `limits.js THREADS` is the latter in a process of its own.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { coreInfo } from '../lib/index.ts';
import { asProgram, elsewhere } from './elsewhere.ts';
import { figure } from './measure.ts';
import { peakBytes } from './memory.ts';
import { type Labels, type Row, row } from './rows.ts';
import { sopTest } from './shapes.ts';
import { evaluationSuite } from './suites/evaluation.ts';

const processes = 9;

/** `require` of core.node in fresh processes, and the size of its file. */
export async function measureLoading(threads: number): Promise<Row[]> {
  const file = loadedCore();
  const times: number[] = [];
  for (let i = 0; i < processes; ++i) times.push(await loadOnce(file));
  const { median: ms, spread } = figure(times);
  const known = { ...loading, suite: 'loading', side: 'horoball', status: 'measured', threads };
  return [
    row({ ...known, ms, spread }, { of: 'ms', atMost: 10 }),
    row({ ...known, op: 'core.node, size', value: (await stat(file)).size / 1e6, unit: 'MB' }),
  ];
}

/** The file that this process has loaded the core from. */
function loadedCore(): string {
  coreInfo();
  const { sharedObjects } = process.report.getReport() as { sharedObjects: readonly string[] };
  return sharedObjects.find((name) => name.endsWith('.node')) as string;
}

async function loadOnce(file: string): Promise<number> {
  const code = `const begin = performance.now(); require(${JSON.stringify(file)}); console.log(performance.now() - begin)`;
  return Number((await promisify(execFile)(process.execPath, ['-e', code])).stdout);
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

/** Recall@1, R-Precision and MAP@R of 60,502 rows, once. */
export async function measureEvaluation(threads: number): Promise<Row[]> {
  const { ms, bytes } = await elsewhere<Evaluation>(import.meta.url, threads);
  const { labels, flops = Number.NaN } = evaluation(threads);
  const known = { ...labels, suite: 'evaluation sop-test', side: 'horoball', status: 'measured', threads };
  const peak = (bytes ?? Number.NaN) / 1e6;
  return [
    row(
      { ...known, ms, gflop: flops / 1e9, gflops: flops / ms / 1e6, peakMB: peak },
      { of: 'ms', atMost: 20_000 },
    ),
    row(
      { ...known, op: 'retrievalMetrics, memory', value: peak, unit: 'MB beyond the rows' },
      { of: 'value', atMost: 300 },
    ),
  ];
}

function evaluation(threads: number) {
  return evaluationSuite(sopTest, threads).own.find(({ name }) => name === 'poincare')!;
}

const given = asProgram(import.meta.url);
if (given !== undefined) {
  const { run } = evaluation(Number(given[0]));
  let ms = Number.NaN;
  const bytes = await peakBytes(() => {
    const begin = performance.now();
    run();
    ms = performance.now() - begin;
  });
  process.stdout.write(JSON.stringify({ ms, bytes }));
}
