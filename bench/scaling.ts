// How time and memory grow with the number of rows N and of columns D. For each size, the suite runs `scaling.js WORKLOAD SIZE
// THREADS CLOCK` in a fresh process, which prints milliseconds and peak memory as JSON. The suite then fits the exponents.
import { hybridContrastiveLoss, type LossOptions, matrix, pairwiseDistance, topK } from '../lib/index.ts';
import { entryArguments, inFreshProcess } from './fresh-process.ts';
import { ballPoints, unitRows } from './inputs.ts';
import { type Clock, clockOf, exponent, figure } from './measure.ts';
import { peakBytes } from './memory.ts';
import { type Bar, type Labels, type Row, row } from './results.ts';
import { lossSettings } from './shapes.ts';
import { lossFlops } from './suites/loss.ts';

const { c } = lossSettings;
const queryCount = 512;
const k = 10;

/** A call of growing size. */
interface Workload {
  /** The dimension that grows: rows or columns. */
  readonly over: 'N' | 'D';
  readonly sizes: readonly number[];
  /** Limits of the exponents of time and memory. */
  readonly atMost: { readonly time: number; readonly memory?: number };
  labels(size: number): Omit<Labels, 'shape'>;
  flops(labels: Labels): number;
  /** Returns the call, with its inputs and outputs. */
  make(labels: Labels, threads: number): () => unknown;
}

const common = { views: 0, type: 'float32', heads: '', guards: 'clean', pass: 'forward' } as const;
const product = ({ n, m, dim }: Labels): number => 2 * n * m * dim;

const loss: Omit<Workload, 'over' | 'sizes' | 'atMost' | 'labels'> = {
  flops: lossFlops,
  make({ n, dim }, threads) {
    const euclidean = unitRows(n, dim, 2, 71, 'float32');
    const hyperbolic = ballPoints(unitRows(n, dim, 2, 72, 'float32'), c, 73);
    const gradient = () => matrix(new Float32Array(n * dim).fill(1), n, dim);
    const out = { gradEuclidean: gradient(), gradHyperbolic: gradient() };
    const options: LossOptions = { ...lossSettings, euclidean, hyperbolic, views: 2, threads, out };
    return () => hybridContrastiveLoss.sync(options);
  },
};

const lossLabels = (n: number, dim: number): Omit<Labels, 'shape'> => ({
  ...common,
  op: 'hybridContrastiveLoss',
  n,
  m: n,
  dim,
  views: 2,
  geometry: 'hybrid',
  heads: 'untied',
  pass: 'both',
});

const workloads = {
  loss: {
    ...loss,
    over: 'N',
    sizes: [1000, 2000, 5000, 10_000, 20_000, 50_000],
    atMost: { time: 2.1, memory: 1.1 },
    labels: (n) => lossLabels(n, 128),
  },
  'loss by columns': {
    ...loss,
    over: 'D',
    sizes: [64, 128, 256, 512, 1024],
    atMost: { time: 1.1, memory: 1.1 },
    labels: (dim) => lossLabels(4000, dim),
  },
  distances: {
    over: 'N',
    sizes: [1000, 2000, 5000, 10_000],
    atMost: { time: 2.1 },
    labels: (n) => ({ ...common, op: 'pairwiseDistance', n, m: n, dim: 128, geometry: 'poincare' }),
    flops: product,
    make({ n, dim }, threads) {
      const [x, y] = [71, 72].map((seed) => ballPoints(unitRows(n, dim, 2, seed, 'float32'), c, seed));
      const out = matrix(new Float32Array(n * n).fill(1), n, n);
      return () => pairwiseDistance.sync(x!, y!, { metric: 'poincare', c, threads, out });
    },
  },
  search: {
    over: 'N',
    sizes: [10_000, 20_000, 50_000, 100_000, 200_000, 500_000],
    atMost: { time: 1.1, memory: 1.1 },
    labels: (m) => ({
      ...common,
      op: `topK, k = ${k}`,
      n: queryCount,
      m,
      dim: 128,
      geometry: 'poincare',
    }),
    flops: product,
    make({ n, m, dim }, threads) {
      const queries = ballPoints(unitRows(n, dim, 2, 71, 'float32'), c, 73);
      const gallery = ballPoints(unitRows(m, dim, 5, 72, 'float32'), c, 74);
      return () => topK.sync(queries, gallery, { k, metric: 'poincare', c, threads });
    },
  },
} satisfies Record<string, Workload>;

type Name = keyof typeof workloads;
const names = Object.keys(workloads) as Name[];

interface Point {
  readonly ms: number;
  /** Spread of the rounds; null for a single call. */
  readonly spread: number | null;
  /** Peak memory in bytes; null if the system does not report it. */
  readonly bytes: number | null;
}

/** More threads than CPUs, to show that memory stays within its limit although each thread allocates its own. */
const manyThreads = 64;
/** Target for the memory of the loss beyond inputs and results, for any number of rows. */
const lossMemory: Bar = { of: 'peakMB', atMost: 64 };

/** Measures the growth of the time and memory of each workload; `full`: also at the largest sizes, which take minutes. */
export async function measureScaling(threads: number, clock: Clock, full: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of names) {
    const { sizes, over } = workload(name);
    const kept = full || over === 'D' ? sizes : sizes.slice(0, 4);
    const points: Row[] = [];
    for (const size of kept) points.push(await point(name, size, threads, clock));
    rows.push(...points);
    if (name === 'loss' && full) rows.push(await point(name, sizes.at(-1)!, manyThreads, 'wall'));
    rows.push(...growth(name, kept, points, threads));
  }
  return rows;
}

function workload(name: Name): Workload {
  return workloads[name];
}

function labelsOf(name: Name, size: number): Labels {
  const { labels, over } = workload(name);
  return { ...labels(size), shape: `scaling, ${over} = ${size}` };
}

/** Returns one row per fitted exponent of a workload. */
function growth(name: Name, sizes: readonly number[], points: readonly Row[], threads: number): Row[] {
  const { over, atMost } = workload(name);
  const fitted = (of: 'time' | 'memory', values: readonly number[], limit: number): Row => {
    const known = { suite: 'scaling', side: 'horoball', status: 'measured', threads, unit: 'exponent' };
    const made = labelsOf(name, sizes.at(-1)!);
    return row(
      { ...made, ...known, op: `${made.op}, ${of} over ${over}`, value: exponent(sizes, values) },
      { of: 'value', atMost: limit },
    );
  };
  const time = fitted(
    'time',
    points.map(({ ms }) => ms),
    atMost.time,
  );
  if (atMost.memory === undefined) return [time];
  return [
    time,
    fitted(
      'memory',
      points.map(({ peakMB }) => peakMB),
      atMost.memory,
    ),
  ];
}

async function point(name: Name, size: number, threads: number, clock: Clock): Promise<Row> {
  const { ms, spread, bytes } = await inFreshProcess<Point>(import.meta.url, name, size, threads, clock);
  const made = labelsOf(name, size);
  const flops = workload(name).flops(made);
  const known = {
    suite: 'scaling',
    side: 'horoball',
    status: 'measured',
    threads,
    ms,
    spread: spread ?? Number.NaN,
    gflop: flops / 1e9,
    gflops: flops / ms / 1e6,
    peakMB: (bytes ?? Number.NaN) / 1e6,
  };
  const isLargest = name === 'loss' && size === workloads.loss.sizes.at(-1);
  return row({ ...made, ...known }, isLargest ? lossMemory : undefined);
}

/** A call that takes this many milliseconds or more is made only once, so its time has no spread. */
const longMs = 2000;

/**
 * Measures the memory of the first call. Times calls for half a second: at most 15, and at least three unless the first took
 * `longMs`.
 */
async function measure(name: Name, size: number, threads: number, clock: Clock): Promise<Point> {
  const now = clockOf(clock);
  const run = workload(name).make(labelsOf(name, size), threads);
  const times: number[] = [];
  const call = () => {
    const start = now();
    run();
    times.push(now() - start);
  };
  const bytes = await peakBytes(call);
  const spent = () => times.reduce((sum, ms) => sum + ms, 0);
  while (times.length < 15 && (spent() < 500 || (times.length < 3 && times[0]! < longMs))) call();
  const { median: ms, spread } = figure(times.length > 2 ? times.slice(1) : times);
  return { ms, spread: Number.isNaN(spread) ? null : spread, bytes };
}

const given = entryArguments(import.meta.url);
if (given !== undefined) {
  const [name, size, threads, clock] = given;
  const found = await measure(name as Name, Number(size), Number(threads), clock as Clock);
  process.stdout.write(JSON.stringify(found));
}
