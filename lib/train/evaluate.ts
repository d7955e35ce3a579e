import { concatenated, type Matrix, matrix } from '../matrix.ts';
import type { QueryResults } from '../retrieval.ts';
import type { Split } from './data/dataset.ts';
import { type ImageLoader, inOrder } from './data/loader.ts';
import { type FusedOptions, fusedRetrievalMetrics } from './fused.ts';
import type { Embedder } from './model.ts';
import { searchDevice } from './native.ts';
import {
  type Protocol,
  protocolOf,
  type RecallOptions,
  recallFrom,
  recallOf,
  retrievalOf,
} from './recall.ts';
import type { Evaluation, Recall, Space } from './record.ts';
import { Batch } from './tensor.ts';

export { chosen, type Distance, recallOf } from './recall.ts';

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

/**
 * The score that fuses the two outputs: cosine / t_e - lam d / t_h. Where the head is tied the distance only falls as
 * the cosine rises, so that the score ranks as the cosine does and nothing is searched again.
 */
export type Fusion = Pick<FusedOptions, 'tauE' | 'tauH' | 'lambda'> & { tied: boolean };

export interface EvaluateOptions extends Partial<Protocol> {
  /** `hypmix`: as published, the hyperbolic distance between the Euclidean unit vectors. */
  compat?: 'none' | 'hypmix' | undefined;
  /** Measure the fused score too. */
  fusion?: Fusion | undefined;
  /** Pictures a forward pass; 128 by default. */
  batchSize?: number;
  /** Where the searches run; by default where the network is, if the core has kernels for it, else on the CPU. */
  device?: RecallOptions['device'];
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Hears how each query fared in each space, in the order of the rows. */
  onQueries?: ((space: Space, results: QueryResults) => void) | undefined;
}

/**
 * Embeds a split and measures how well its classes are found again: each picture is a query, all others are the
 * gallery (or, with `queries`, the first ones are looked up in the rest). Each space has its own output and distance.
 */
export async function evaluate(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  options: EvaluateOptions = {},
): Promise<{ evaluation: Evaluation; embedded: Embedded }> {
  const embedded = await embed(embedder, split, loader, options);
  const device = options.device ?? searchDevice(embedder.config.device);
  return { evaluation: await measure(embedded, split, embedder.c, { ...options, device }), embedded };
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

/** Recall of the head's two outputs, of the backbone's feature and, where it is asked for, of the fused score. */
export async function measure(
  embedded: Embedded,
  split: Split,
  c: number,
  { ks = [1, 2, 4, 8], queries, compat = 'none', fusion, device, signal, onQueries }: EvaluateOptions = {},
): Promise<Evaluation> {
  const { labels, indices, width, bodyWidth, euclidean, hyperbolic, body } = embedded;
  const rows = (data: Float32Array, cols: number): Matrix<Float32Array> => matrix(data, labels.length, cols);
  const hear = (space: Space) => onQueries && ((results: QueryResults) => onQueries(space, results));
  const how = { ...protocolOf({ ks, queries }, indices), device, signal };
  const published = compat === 'hypmix';
  const ball = { metric: 'poincare', c, ...(published && { compat: 'hypmix' as const }) } as const;
  const recall = (
    x: Matrix<Float32Array>,
    space: Space,
    distance: RecallOptions['distance'],
  ): Promise<Recall> => recallOf(x, labels, split.parents, { ...how, distance, onQueries: hear(space) });
  const spaces: Evaluation['spaces'] = {
    hyperbolic: await recall(rows(published ? euclidean : hyperbolic, width), 'hyperbolic', ball),
    cosine: await recall(rows(euclidean, width), 'cosine', { metric: 'cosine' }),
    body: await recall(rows(body, bodyWidth), 'body', { metric: 'cosine' }),
  };
  if (fusion?.tied) spaces.fused = spaces.cosine;
  else if (fusion) {
    const pair = [rows(euclidean, width), rows(hyperbolic, width)] as const;
    const options = { ...fusion, ...how, c, compat: ball.compat, onQueries: hear('fused') };
    spaces.fused = await fusedRecall(...pair, labels, options);
  }
  return { pictures: labels.length, classes: new Set(labels).size, spaces };
}

/** Recall under the fused score of two embeddings of the same pictures, which may be of two networks. */
export async function fusedRecall(
  euclidean: Matrix<Float32Array>,
  hyperbolic: Matrix<Float32Array>,
  labels: Int32Array,
  { ks, queries, onQueries, ...options }: Omit<FusedOptions, 'ks'> & Omit<RecallOptions, 'distance'>,
): Promise<Recall> {
  const how = retrievalOf({ ks, queries }, labels.length);
  const perQuery = onQueries !== undefined;
  const found = await fusedRetrievalMetrics(euclidean, hyperbolic, labels, { ...options, ...how, perQuery });
  if (found.perQuery) onQueries?.(found.perQuery);
  return recallFrom(found, ks, how.ks);
}

type Part = Pick<Embedded, 'body' | 'euclidean' | 'hyperbolic' | 'labels' | 'indices'>;

function joined(parts: readonly Part[]): Part {
  return {
    body: concatenated(parts.map(({ body }) => body)),
    euclidean: concatenated(parts.map(({ euclidean }) => euclidean)),
    hyperbolic: concatenated(parts.map(({ hyperbolic }) => hyperbolic)),
    labels: Int32Array.from(parts.flatMap((part) => [...part.labels])),
    indices: Int32Array.from(parts.flatMap((part) => [...part.indices])),
  };
}
