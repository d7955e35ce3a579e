// One call of the loss with N rows in a separate process: `scaling.js N THREADS CLOCK` prints milliseconds and
// peak memory as JSON. The suite fits the exponents.
import { hybridContrastiveLoss, type LossOptions, matrix } from '../lib/index.ts';
import { asProgram, elsewhere } from './elsewhere.ts';
import { ballPoints, unitRows } from './inputs.ts';
import { type Clock, clockOf, exponent, figure } from './measure.ts';
import { peakBytes } from './memory.ts';
import { type Labels, type Row, row } from './rows.ts';
import { lossSettings } from './shapes.ts';
import { lossFlops } from './suites/loss.ts';

const sizes = [1000, 2000, 5000, 10_000, 20_000, 50_000];
const dim = 128;

interface Point {
  readonly ms: number;
  /** Null for a single call. */
  readonly spread: number | null;
  /** Null if the system does not report it. */
  readonly bytes: number | null;
}

/** Far more than the machine has, because each thread allocates its own working memory. */
const manyThreads = 64;

/** Time and memory of the loss from 1,000 to `largest` rows, and their growth. */
export async function measureScaling(threads: number, clock: Clock, largest: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const n of sizes.filter((size) => size <= largest)) rows.push(await point(n, threads, clock));
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
  const crowded = largest === sizes.at(-1) ? [await point(largest, manyThreads, 'wall')] : [];
  return [...rows, ...crowded, growth('time', 'ms', 2.1), growth('memory', 'peakMB', 1.1)];
}

async function point(n: number, threads: number, clock: Clock): Promise<Row> {
  const { ms, spread, bytes } = await elsewhere<Point>(import.meta.url, n, threads, clock);
  const made = labels(n);
  const flops = lossFlops(made);
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
  return row({ ...made, ...known }, n === sizes.at(-1) ? { of: 'peakMB', atMost: 64 } : undefined);
}

function labels(n: number): Labels {
  return {
    op: 'hybridContrastiveLoss',
    shape: `scaling, N = ${n}`,
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

/** A slower call is made once, so its time has no spread. */
const longMs = 2000;

/** Memory of the first call; median time of as many calls as fit into half a second, at least three. */
async function measure(n: number, threads: number, clock: Clock): Promise<Point> {
  const now = clockOf(clock);
  const euclidean = unitRows(n, dim, 2, 71, 'float32');
  const hyperbolic = ballPoints(unitRows(n, dim, 2, 72, 'float32'), lossSettings.c, 73);
  const gradient = () => matrix(new Float32Array(n * dim).fill(1), n, dim);
  const out = { gradEuclidean: gradient(), gradHyperbolic: gradient() };
  const options: LossOptions = { ...lossSettings, euclidean, hyperbolic, views: 2, threads, out };
  const times: number[] = [];
  const call = () => {
    const start = now();
    hybridContrastiveLoss.sync(options);
    times.push(now() - start);
  };
  const bytes = await peakBytes(call);
  const spent = () => times.reduce((sum, ms) => sum + ms, 0);
  while (times.length < 15 && (spent() < 500 || (times.length < 3 && times[0]! < longMs))) call();
  const { median: ms, spread } = figure(times.length > 2 ? times.slice(1) : times);
  return { ms, spread: Number.isNaN(spread) ? null : spread, bytes };
}

const given = asProgram(import.meta.url);
if (given !== undefined) {
  const [n, threads, clock] = given;
  process.stdout.write(JSON.stringify(await measure(Number(n), Number(threads), clock as Clock)));
}
