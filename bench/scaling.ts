// One call of the loss at N rows, in a process of its own: `scaling.js N THREADS` prints its milliseconds and
// peak memory as JSON. The suite fits the exponents.
import { execFile } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hybridContrastiveLoss, type LossOptions, matrix } from '../lib/index.ts';
import { ballPoints, unitRows } from './inputs.ts';
import { exponent } from './measure.ts';
import { honestMalloc, peakBytes } from './memory.ts';
import { type Labels, type Row, row } from './rows.ts';
import { lossSettings } from './shapes.ts';
import { lossFlops } from './suites/loss.ts';

const sizes = [1000, 2000, 5000, 10_000, 20_000, 50_000];
const dim = 128;

interface Point {
  readonly ms: number;
  readonly bytes: number;
}

/** Time and memory of the loss from 1,000 to `largest` rows, and how they grow. */
export async function measureScaling(threads: number, largest: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const n of sizes.filter((size) => size <= largest)) {
    const { ms, bytes } = await elsewhere(n, threads);
    const made = labels(n);
    const gflops = lossFlops(made) / ms / 1e6;
    const known = {
      suite: 'scaling',
      side: 'horoball',
      status: 'measured',
      threads,
      ms,
      gflops,
      peakMB: bytes / 1e6,
    };
    rows.push(row({ ...made, ...known }, n === 50_000 ? { of: 'peakMB', atMost: 64 } : undefined));
  }
  const growth = (name: string, key: 'ms' | 'peakMB', atMost: number) =>
    row(
      {
        ...labels(largest),
        suite: 'scaling',
        op: `${name} over N`,
        side: 'horoball',
        status: 'measured',
        threads,
        value: exponent(
          rows.map(({ n }) => n),
          rows.map((one) => one[key]),
        ),
        unit: 'exponent',
      },
      { of: 'value', atMost },
    );
  return [...rows, growth('time', 'ms', 2.1), growth('memory', 'peakMB', 1.1)];
}

function labels(n: number): Labels {
  return {
    op: 'hybridContrastiveLoss',
    shape: `N = ${n}`,
    n,
    m: n,
    dim,
    views: 2,
    type: 'float32',
    geometry: 'hybrid',
    heads: 'untied',
    guards: 'clean',
    pass: 'both',
  };
}

async function elsewhere(n: number, threads: number): Promise<Point> {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), String(n), String(threads)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...honestMalloc },
  });
  return JSON.parse(stdout) as Point;
}

/** The first call's memory; the least time of as many calls as a second holds. */
async function measure(n: number, threads: number): Promise<Point> {
  const euclidean = unitRows(n, dim, 2, 71, 'float32');
  const hyperbolic = ballPoints(unitRows(n, dim, 2, 72, 'float32'), lossSettings.c, 73);
  const gradient = () => matrix(new Float32Array(n * dim).fill(1), n, dim);
  const out = { gradEuclidean: gradient(), gradHyperbolic: gradient() };
  const options: LossOptions = { ...lossSettings, euclidean, hyperbolic, views: 2, threads, out };
  const times: number[] = [];
  const call = () => {
    const start = performance.now();
    hybridContrastiveLoss.sync(options);
    times.push(performance.now() - start);
  };
  const bytes = await peakBytes(call);
  while (times.length < 15 && times.reduce((sum, ms) => sum + ms, 0) < 1000) call();
  return { ms: Math.min(...times), bytes };
}

const [, script, n, threads] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  process.stdout.write(JSON.stringify(await measure(Number(n), Number(threads))));
}
