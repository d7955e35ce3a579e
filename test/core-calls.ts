// One call of every asynchronous export of the core, gallery methods included, at sizes that the caller chooses.
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as core from '../lib/index.ts';
import { argumentsOf, cards, operationOf, pointsOf } from './row-points.ts';
import { cloud } from './support.ts';

const { Gallery, matrix } = core;

export interface CoreCall {
  readonly name: string;
  readonly run: (extra?: { signal?: AbortSignal; threads?: number }) => Promise<unknown>;
  readonly sync?: (extra?: { signal?: AbortSignal }) => unknown;
}

const c = 0.8;
/** One thread, so that the main thread dominates the CPU time of the process. */
const threads = 1;
const few = 16;

/** Numbers of rows: `rows` for calls that take linear time, `side` for calls that take quadratic time. */
export interface Sizes {
  readonly rows: number;
  readonly side: number;
}

/** Returns the calls; `close` disposes of the objects that they share. */
export async function coreCalls({
  rows,
  side,
}: Sizes): Promise<{ calls: CoreCall[]; close: () => Promise<void> }> {
  const x = singles(rows, 1);
  const some = singles(few, 2);
  const part = matrix(x.data.subarray(0, x.data.length >> 2), rows >> 2, 2);
  const square = cloud(Float32Array, side, side, 0.9, 3);
  const units = matrix(unitRows(side), side, 2);
  const labels = Int32Array.from({ length: rows }, (_, i) => i >> 2);
  const texts = Array.from(labels, (label) => `class ${label}`);
  const half = labels.subarray(0, side).map((label) => label >> 1);
  const numbers = Int32Array.from({ length: rows >> 1 }, (_, i) => 2 * i);
  const exclude = new Int32Array(rows).fill(3);
  const candidates = Int32Array.from({ length: rows }, (_, i) => (7 * i) % rows);
  const folder = join(tmpdir(), `horoball-calls-${process.pid}.safetensors`);
  const galleryOf = async (all: core.Matrix<Float32Array>, of?: ArrayLike<number>) => {
    const gallery = new Gallery<Float32Array>({ c });
    await gallery.add(all, of);
    return gallery;
  };
  const wide = await galleryOf(x, labels);
  const narrow = await galleryOf(some);
  const indexed = await galleryOf(x, labels);
  await indexed.buildIndex({ lists: 20 });
  await indexed.add(some);
  await wide.save(folder);
  const shared = { c, threads };
  const contrast = { euclidean: units, tied: true, labels: half, ...shared };
  const first = [...Array(few).keys()];
  const small = { dim: 1, epochs: 1, negatives: 1, batch: Math.min(rows, 1 << 12) };
  const edges = edgesOf(rows, side);
  const chain = edges.slice(0, side - 1);

  const calls: CoreCall[] = [
    ...cards.flatMap((card) => rowCalls(card, Math.max(few, rows >> 2))),
    both('pairwiseDistance', core.pairwiseDistance, [square, undefined], shared),
    both('pairwiseDistance.vjp', core.pairwiseDistance.vjp, [square, undefined, square], shared),
    both('clusteringMetrics', core.clusteringMetrics, [some, labels.subarray(0, few)], {
      ...{ iterations: 2, restarts: 2, ...shared },
    }),
    both('frechetMean', core.frechetMean, [part], shared),
    both('frechetMean.vjp', core.frechetMean.vjp, [part, new Float32Array(2).fill(1)], shared),
    both('topK', core.topK, [x, some], { k: 2, exclude, ...shared }),
    both('rerank', core.rerank, [units, x, candidates], { k: 2, ...shared }),
    both('retrievalMetrics', core.retrievalMetrics, [x, texts], {
      ...{ gallery: first, perQuery: true, ...shared },
    }),
    both('retrievalMetrics', core.retrievalMetrics, [x, labels], { query: first, ...shared }),
    both('gromovDelta', core.gromovDelta, [x], { size: few, samples: 2, threads }),
    both('gromovDelta', core.gromovDelta, [matrix(distancesOf(side), side, side)], {
      ...{ size: side >> 1, samples: 2, threads },
    }),
    both('hybridContrastiveLoss', core.hybridContrastiveLoss, [], contrast),
    both('contrastiveLoss', core.contrastiveLoss, [], { ...contrast, loss: 'supcon' }),
    both('contrastiveLoss', core.contrastiveLoss, [], {
      ...{
        euclidean: part,
        normalize: true,
        tied: true,
        weights: new Float64Array(part.rows).fill(1),
        ...shared,
      },
      ref: { euclidean: some, labels: [...first.keys()] },
      labels: labels.subarray(0, part.rows),
    }),
    both('contrastiveLoss', core.contrastiveLoss, [], {
      ...{ euclidean: units, tied: true, positives: neighbors(side), ...shared },
    }),
    both('negativeWeights', core.negativeWeights, [], {
      ...{ euclidean: part, normalize: true, tied: true, views: 4, anchors: [1], ...shared },
    }),
    both('negativeWeights', core.negativeWeights, [], contrast),
    {
      name: 'normalize',
      run: ({ signal } = {}) => core.normalize(square, { signal }),
      sync: ({ signal } = {}) => core.normalize.sync(square, { signal }),
    },
    both('hybridContrastiveLoss', core.hybridContrastiveLoss, [], { ...contrast, normalize: true }),
    both('toInnerProductIndex', core.toInnerProductIndex, [x], { role: 'query', ...shared }),
    {
      name: 'Gallery.add',
      run: async () => (await galleryOf(x, labels)).close(),
    },
    {
      name: 'Gallery.remove',
      run: async () => {
        const gallery = await galleryOf(x, labels);
        await gallery.remove(numbers);
        await gallery.remove([1]); // fewer than half remain, so the gallery compacts them
        gallery.close();
      },
    },
    {
      name: 'Gallery.topK',
      run: (extra) => wide.topK(some, { k: 2, labels, exclude: exclude.subarray(0, few), threads, ...extra }),
      sync: (extra) =>
        wide.topK.sync(some, { k: 2, labels, exclude: exclude.subarray(0, few), threads, ...extra }),
    },
    {
      name: 'Gallery.topK',
      run: (extra) => narrow.topK(x, { k: 2, exclude, threads, ...extra }),
      sync: (extra) => narrow.topK.sync(x, { k: 2, exclude, threads, ...extra }),
    },
    {
      name: 'Gallery.topK',
      run: (extra) => indexed.topK(some, { k: 2, labels, threads, ...extra }),
      sync: (extra) => indexed.topK.sync(some, { k: 2, labels, threads, ...extra }),
    },
    {
      name: 'Gallery.buildIndex',
      run: async (extra) => {
        const gallery = await galleryOf(x);
        await gallery.buildIndex({ lists: 20, threads, ...extra });
        gallery.close();
      },
    },
    {
      name: 'embedTree',
      run: (extra) => core.embedTree(edges, { ...small, threads, ...extra }),
    },
    {
      name: 'embedTree',
      run: (extra) => core.embedTree(chain, { ...small, relation: 'ancestors', threads, ...extra }),
    },
    { name: 'Gallery.save', run: () => wide.save(folder) },
    { name: 'Gallery.load', run: async () => (await Gallery.load(folder)).close() },
  ];
  const close = async (): Promise<void> => {
    wide.close();
    narrow.close();
    indexed.close();
    await rm(folder, { force: true });
  };
  return { calls, close };
}

/** The names of all asynchronous exports: functions with a synchronous variant, methods of a gallery, and embedTree. */
export function asyncNames(): string[] {
  const hasSync = (value: unknown): boolean =>
    typeof (value as { sync?: unknown } | undefined)?.sync === 'function';
  const functions = Object.entries(core).flatMap(([name, value]) => [
    ...(hasSync(value) ? [name] : []),
    ...(hasSync((value as { vjp?: unknown }).vjp) ? [`${name}.vjp`] : []),
  ]);
  const methods = ['add', 'remove', 'buildIndex', 'topK', 'save', 'load'];
  return [...functions, 'embedTree', ...methods.map((name) => `Gallery.${name}`)];
}

type Call = (...args: never[]) => Promise<unknown>;

function both(
  name: string,
  operation: Call & { sync: (...args: never[]) => unknown },
  args: readonly unknown[],
  options: object,
): CoreCall {
  return {
    name,
    run: (extra) => operation(...([...args, { ...options, ...extra }] as never[])),
    sync: (extra) => operation.sync(...([...args, { ...options, ...extra }] as never[])),
  };
}

function rowCalls(card: (typeof cards)[number], rows: number): CoreCall[] {
  const operation = operationOf(card);
  const inputs = pointsOf(card, Float32Array, rows, 2, c);
  const options = { c, threads };
  const result = operation.sync(...argumentsOf(card, inputs, options));
  const args = argumentsOf(card, inputs, options).slice(0, -1);
  const vjpArgs = argumentsOf(card, inputs, options, result).slice(0, -1);
  const last = argumentsOf(card, inputs, options).at(-1) as object;
  return [
    both(card.name, operation as never, args, last),
    both(`${card.name}.vjp`, operation.vjp as never, vjpArgs, last),
  ];
}

function singles(rows: number, seed: number): core.Matrix<Float32Array> {
  return cloud(Float32Array, rows, 2, 0.9, seed) as core.Matrix<Float32Array>;
}

function unitRows(rows: number): Float32Array {
  return Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? Math.cos : Math.sin)(i >> 1));
}

/** Returns a mask in CSR format in which adjacent rows are positives. */
function neighbors(rows: number): core.PositiveMask {
  const lists = Array.from({ length: rows }, (_, i) => [i - 1, i + 1].filter((j) => j >= 0 && j < rows));
  const indptr = Int32Array.from({ length: rows + 1 }, (_, i) =>
    i === 0 ? 0 : Math.min(2 * i - 1, 2 * rows - 2),
  );
  return { indptr, indices: Int32Array.from(lists.flat()) };
}

/** Edges of a graph: first from every node to the next one, then from every node to the one after that, and so on. */
function edgesOf(count: number, nodes: number): [number, number][] {
  return Array.from({ length: count }, (_, i) => [i % nodes, (i + 1 + Math.floor(i / nodes)) % nodes]);
}

/** Distances between the numbers 0, 1, ..., n - 1. */
function distancesOf(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => Math.abs(Math.floor(at / n) - (at % n)));
}
