// Searches of large galleries: the index of `Gallery`, an exact search, usearch, and faiss, at equal recall.
// node dist/bench/search-scale.js [options] (see --help)
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Gallery, type Matrix, matrix, type Neighbors, topK } from '../lib/index.ts';
import { writeNpy } from '../lib/io/index.ts';
import { machine, root } from './machine.ts';
import { peerEnvironment } from './peers/client.ts';
import { type SearchSet, type SearchSetName, searchSet, searchSetNames } from './search-sets.ts';

const help = `Usage: node dist/bench/search-scale.js [options]

Times searches of points of the Poincare ball (c = 1), one query at a time and in a batch, at the cheapest setting of each
side whose recall is high enough. usearch and faiss rank by Euclidean distance and return more candidates than neighbors; the
time to rerank those is not counted. Sides: exact, index (all lists), index with probes, usearch HNSW, faiss HNSW, faiss IVF.
The column proven is the fraction of queries whose result is guaranteed to be exact; it is empty for usearch and faiss.

  --rows <number>      rows of the gallery (default 1e5)
  --sets <names>       ${searchSetNames.join(',')} (default all)
  --dim <number>       columns (default 128)
  --queries <number>   queries of a batch (default 500)
  --k <number>         neighbors (default 10)
  --recall <number>    recall that each side must reach (default 0.99)
  --threads <number>   (default 2)
  --peers <names>      sets to measure with usearch and faiss too, or none (default all; their graphs of 1e6 rows take
                       minutes per set)
  --out <folder>       writes MACHINE-COMMIT-search-scale.csv there, after each row
  --help
`;

/** One row of the table. */
interface Row {
  readonly set: string;
  readonly side: string;
  readonly setting: string;
  readonly recall: number;
  /** Fraction of the queries whose result is proven to be exact. */
  readonly proven: number | undefined;
  readonly singleMs: number;
  readonly batchMs: number;
  readonly buildSeconds: number | undefined;
  readonly bytes: number | undefined;
}

interface Options {
  readonly k: number;
  readonly threads: number;
  readonly recall: number;
}

const columns = [
  'set',
  'side',
  'setting',
  'recall',
  'proven',
  'singleMs',
  'batchMs',
  'buildSeconds',
  'bytes',
] as const satisfies readonly (keyof Row)[];

const candidateCounts = [10, 30, 100, 300, 1000, 3000];

/** Returns the fraction of the true neighbors that were found. */
function recallOf(found: ArrayLike<number>, truth: Int32Array, k: number): number {
  const queries = truth.length / k;
  const each = found.length / queries;
  let hits = 0;
  for (let i = 0; i < queries; ++i) {
    const rows = new Set(Array.from({ length: each }, (_, j) => found[i * each + j]));
    for (const row of truth.subarray(i * k, (i + 1) * k)) hits += Number(rows.has(row));
  }
  return hits / truth.length;
}

/** Returns the milliseconds per query: one at a time, as the median of the first `singles` queries, and in a batch. */
function timed(queries: Matrix<Float32Array>, search: (part: Matrix<Float32Array>) => unknown, singles = 50) {
  const { data, rows, cols } = queries;
  const times = Array.from({ length: Math.min(singles, rows) }, (_, i) => {
    const one = matrix(data.subarray(i * cols, (i + 1) * cols), 1, cols);
    return duration(() => search(one));
  }).sort((a, b) => a - b);
  return { singleMs: times[times.length >> 1]!, batchMs: duration(() => search(queries)) / rows };
}

function duration(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

async function ownRows(
  set: string,
  { rows, queries }: SearchSet,
  truth: Neighbors,
  { k, threads, recall }: Options,
): Promise<Row[]> {
  using gallery = new Gallery({ metric: 'poincare', c: 1 });
  await gallery.add(rows);
  const none = { buildSeconds: undefined, bytes: undefined };
  const exact = timed(queries, (part) => gallery.topK.sync(part, { k, threads }), 5);
  const table: Row[] = [{ set, side: 'exact', setting: '', recall: 1, proven: 1, ...exact, ...none }];
  const start = performance.now();
  const { bytes } = await gallery.buildIndex({ threads });
  const buildSeconds = (performance.now() - start) / 1000;
  const side = (probes: number | undefined): Row => {
    const search = (part: Matrix<Float32Array>) => gallery.topK.sync(part, { k, threads, probes });
    const { indices, proven } = search(queries);
    return {
      set,
      side: probes === undefined ? 'index' : 'index, probes',
      setting: probes === undefined ? '' : `${probes} lists`,
      recall: recallOf(indices, truth.indices, k),
      proven: proven.reduce((sum, each) => sum + each, 0) / queries.rows,
      ...timed(queries, search),
      buildSeconds,
      bytes,
    };
  };
  table.push(side(undefined));
  for (const probes of [1, 2, 4, 8, 16, 32, 64, 128]) {
    const row = side(probes);
    if (row.recall < recall && probes < 128) continue;
    table.push(row);
    break;
  }
  return table;
}

interface UsearchIndex {
  add(keys: BigUint64Array, rows: Float32Array, threads: number): void;
  search(queries: Float32Array, count: number, threads: number): { keys: BigUint64Array };
}

function usearchRow(
  set: string,
  { rows, queries }: SearchSet,
  truth: Neighbors,
  { k, threads, recall }: Options,
): Row | undefined {
  const require = createRequire(join(root, 'package.json'));
  const { Index } = require('usearch') as { Index: new (config: object) => UsearchIndex };
  const sizes = { connectivity: 16, expansion_add: 128, expansion_search: 64 };
  const index = new Index({
    metric: 'l2sq',
    dimensions: rows.cols,
    quantization: 'f32',
    multi: false,
    ...sizes,
  });
  const keys = BigUint64Array.from({ length: rows.rows }, (_, i) => BigInt(i));
  const buildSeconds = duration(() => index.add(keys, rows.data, threads)) / 1000;
  const links = rows.rows * (rows.cols * 4 + 2 * sizes.connectivity * 4);
  let last: Row | undefined;
  for (const count of candidateCounts) {
    const search = (part: Matrix<Float32Array>) => index.search(part.data, count, threads).keys;
    last = {
      set,
      side: 'usearch HNSW',
      setting: `${count} candidates`,
      recall: recallOf(Array.from(search(queries), Number), truth.indices, k),
      proven: undefined,
      ...timed(queries, search),
      buildSeconds,
      bytes: links,
    };
    if (last.recall >= recall) break;
  }
  return last;
}

/** Returns the rows of faiss, measured in Python; an empty list if the peers are not installed. */
async function faissRows(
  set: string,
  { rows, queries }: SearchSet,
  truth: Neighbors,
  { k, threads, recall }: Options,
): Promise<Row[]> {
  const python = join(root, 'bench/peers/.venv/bin/python');
  if (!existsSync(python)) {
    process.stderr.write('faiss is left out: run npm run bench:peers\n');
    return [];
  }
  const folder = await mkdtemp(join(tmpdir(), 'horoball-scale-'));
  try {
    for (const [name, { data, rows: count, cols }] of [
      ['rows', rows],
      ['queries', queries],
      ['truth', { data: truth.indices, rows: queries.rows, cols: k }],
    ] as const)
      await writeNpy(join(folder, `${name}.npy`), data, [count, cols]);
    const script = join(root, 'bench/peers/scale.py');
    const args = [script, folder, String(threads), String(recall)];
    const { stdout } = await promisify(execFile)(python, args, {
      maxBuffer: 1 << 20,
      env: peerEnvironment(),
    });
    const lines = stdout.trim().split('\n');
    return lines.map((line) => ({
      set,
      proven: undefined,
      ...(JSON.parse(line) as Omit<Row, 'set' | 'proven'>),
    }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const text = (value: string | number | undefined): string => {
  if (value === undefined) return '';
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
};

function print(row: Row): void {
  say(columns.map((name) => text(row[name]).padEnd(name === 'setting' ? 28 : 14)).join(''));
}

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      rows: string,
      sets: string,
      dim: string,
      queries: string,
      k: string,
      recall: string,
      threads: string,
      out: string,
      peers: string,
      help: { type: 'boolean' },
    },
  });
  if (values.help) return say(help);
  const options = {
    k: Number(values.k ?? 10),
    threads: Number(values.threads ?? 2),
    recall: Number(values.recall ?? 0.99),
  };
  const [count, queries, dim] = [
    Number(values.rows ?? 1e5),
    Number(values.queries ?? 500),
    Number(values.dim ?? 128),
  ];
  const save = await writer(values.out, { rows: count, dim, queries, ...options });
  const peers = values.peers?.split(',') ?? searchSetNames;
  say(columns.map((name) => name.padEnd(name === 'setting' ? 28 : 14)).join(''));
  for (const set of (values.sets?.split(',') ?? searchSetNames) as SearchSetName[]) {
    const points = searchSet(set, count, queries, dim);
    const truth = await topK(points.queries, points.rows, { k: options.k, c: 1, threads: options.threads });
    const add = async (rows: readonly (Row | undefined)[]): Promise<void> => {
      for (const row of rows) {
        if (row === undefined) continue;
        print(row);
        await save(row);
      }
    };
    await add(await ownRows(set, points, truth, options));
    if (!peers.includes(set)) continue;
    await add([usearchRow(set, points, truth, options)]);
    await add(await faissRows(set, points, truth, options));
  }
}

/** Writes the file's head, and returns a function that appends a row. Does nothing without a folder. */
async function writer(
  folder: string | undefined,
  settings: Readonly<Record<string, number>>,
): Promise<(row: Row) => Promise<void>> {
  if (folder === undefined) return async () => {};
  const { name, commit, date, node } = machine();
  const about = { machine: name, commit, date, node, ...settings };
  const head = Object.entries(about).map(([key, value]) => `# ${key}: ${value}`);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}-${commit}-search-scale.csv`);
  await writeFile(path, `${[...head, columns.join(',')].join('\n')}\n`);
  return (row) => appendFile(path, `${columns.map((key) => csv(text(row[key]))).join(',')}\n`);
}

const csv = (cell: string): string => (/[",]/.test(cell) ? JSON.stringify(cell) : cell);

await main();
