import { type Matrix, matrix } from '../matrix.ts';
import { retrievalMetrics } from '../retrieval.ts';
import { topK } from '../topk.ts';
import type { Split } from './data/dataset.ts';
import type { ImageLoader } from './data/loader.ts';
import type { Embedder } from './model.ts';
import type { Evaluation, Recall } from './record.ts';
import { Batch } from './tensor.ts';

/** The outputs of a network for the pictures of a split, a row a picture. */
export interface Embedded {
  body: Float32Array;
  euclidean: Float32Array;
  hyperbolic: Float32Array;
  bodyWidth: number;
  width: number;
  /** Class of each row. */
  labels: Int32Array;
  /** Place of each row's picture in the split; pictures that could not be read are missing. */
  indices: Int32Array;
}

export interface EvaluateOptions {
  /** k of Recall@k; [1, 2, 4, 8] by default. */
  ks?: readonly number[];
  /** `hypmix`: as published, the hyperbolic distance between the Euclidean unit vectors. */
  compat?: 'none' | 'hypmix';
  /** Pictures a forward pass; 128 by default. */
  batchSize?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/**
 * Embeds a split and measures how well its classes are found again: each picture is a query, all others are the
 * gallery. Each space has its own output and distance.
 */
export async function evaluate(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  options: EvaluateOptions = {},
): Promise<{ evaluation: Evaluation; embedded: Embedded }> {
  const embedded = await embed(embedder, split, loader, options);
  return { evaluation: await measure(embedded, split, embedder.c, options), embedded };
}

/** Runs a network over a split. Pictures are decoded while the network runs. */
export async function embed(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  { batchSize = 128, signal, onProgress }: EvaluateOptions = {},
): Promise<Embedded> {
  const { model, dim, device } = embedder.config;
  const total = split.samples.length;
  const parts: Part[] = [];
  let done = 0;
  for await (const pictures of loader.batches(inOrder(total, batchSize), {
    epoch: 0,
    ...(signal && { signal }),
  })) {
    signal?.throwIfAborted();
    using batch = Batch.from(pictures.images, pictures, model.mean, model.std, device);
    using outputs = embedder.forward(batch, { train: false });
    const [body, euclidean, hyperbolic] = await Promise.all([
      outputs.body.data(),
      outputs.euclidean.data(),
      outputs.hyperbolic.data(),
    ]);
    parts.push({ body, euclidean, hyperbolic, labels: pictures.labels, indices: pictures.indices });
    done += pictures.count;
    onProgress?.(done, total);
  }
  return { ...joined(parts), bodyWidth: model.embedDim, width: dim };
}

/** Recall of the three spaces. */
export async function measure(
  embedded: Embedded,
  split: Split,
  c: number,
  { ks = [1, 2, 4, 8], compat = 'none', signal }: EvaluateOptions = {},
): Promise<Evaluation> {
  const { labels, width, bodyWidth } = embedded;
  const published = compat === 'hypmix';
  const ball = published ? embedded.euclidean : embedded.hyperbolic;
  const recall = (data: Float32Array, cols: number, distance: Distance): Promise<Recall> =>
    recallOf(matrix(data, labels.length, cols), labels, split.parents, { ks, distance, signal });
  return {
    pictures: labels.length,
    classes: new Set(labels).size,
    spaces: {
      hyperbolic: await recall(ball, width, {
        metric: 'poincare',
        c,
        ...(published && { compat: 'hypmix' }),
      }),
      cosine: await recall(embedded.euclidean, width, { metric: 'cosine' }),
      body: await recall(embedded.body, bodyWidth, { metric: 'cosine' }),
    },
  };
}

/** How two embeddings are compared. */
export type Distance =
  | { metric: 'poincare'; c: number; compat?: 'hypmix' }
  | { metric: 'cosine' | 'euclidean' };

/**
 * Recall@k, each row a query to all others, and strict Recall@1 for every level of a class tree.
 * @param parents per class its ancestors, nearest first
 */
export async function recallOf(
  x: Matrix<Float32Array>,
  labels: Int32Array,
  parents: readonly (readonly string[])[] | undefined,
  { ks, distance, signal }: { ks: readonly number[]; distance: Distance; signal?: AbortSignal | undefined },
): Promise<Recall> {
  const within = (k: number): number => Math.min(k, x.rows); // a small test set has no more to answer
  const { recall } = await retrievalMetrics(x, labels, { ks: ks.map(within), ...distance, signal });
  const strict: number[] = [];
  const depth = parents?.[0]?.length ?? 0;
  for (let level = 0; level < depth; level++) {
    const excluded = Array.from(labels, (label) => (level === 0 ? `${label}` : parents![label]![level - 1]!));
    const wanted = Array.from(labels, (label) => parents![label]![level]!);
    strict.push(await strictRecall(x, excluded, wanted, distance));
  }
  return { at: Object.fromEntries(ks.map((k) => [k, recall[within(k)]!])), strict };
}

/** Share of rows whose nearest row of another `excluded` group is of the same `wanted` group. */
async function strictRecall(
  x: Matrix<Float32Array>,
  excluded: readonly string[],
  wanted: readonly string[],
  distance: Distance,
): Promise<number> {
  let hits = 0;
  for (const group of new Set(excluded)) {
    const queries = [...excluded.keys()].filter((row) => excluded[row] === group);
    if (queries.length === excluded.length) continue; // nobody is left to be found
    const allowed = Uint8Array.from(excluded, (name) => (name === group ? 0 : 1));
    const { indices } = await topK(chosen(x, queries), x, { k: 1, allowed, ...distance });
    hits += queries.filter((row, i) => wanted[indices[i]!] === wanted[row]).length;
  }
  return excluded.length === 0 ? 0 : hits / excluded.length;
}

/** The given rows as a matrix of their own. */
export function chosen({ data, cols }: Matrix<Float32Array>, rows: readonly number[]): Matrix<Float32Array> {
  const out = new Float32Array(rows.length * cols);
  for (const [at, row] of rows.entries()) out.set(data.subarray(row * cols, (row + 1) * cols), at * cols);
  return matrix(out, rows.length, cols);
}

/** 0, 1, 2, ... in pieces of `size`. */
function* inOrder(count: number, size: number): Generator<Int32Array> {
  for (let from = 0; from < count; from += size) {
    yield Int32Array.from({ length: Math.min(size, count - from) }, (_, i) => from + i);
  }
}

type Part = Pick<Embedded, 'body' | 'euclidean' | 'hyperbolic' | 'labels' | 'indices'>;

function joined(parts: readonly Part[]): Part {
  const floats = (key: 'body' | 'euclidean' | 'hyperbolic'): Float32Array => {
    const out = new Float32Array(parts.reduce((sum, part) => sum + part[key].length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part[key], at);
      at += part[key].length;
    }
    return out;
  };
  return {
    body: floats('body'),
    euclidean: floats('euclidean'),
    hyperbolic: floats('hyperbolic'),
    labels: Int32Array.from(parts.flatMap((part) => [...part.labels])),
    indices: Int32Array.from(parts.flatMap((part) => [...part.indices])),
  };
}
