import { checkSignal } from '../../call/run.ts';
import {
  atLeastZero,
  boolean,
  checkCallback,
  checkObject,
  choice,
  curvature,
  deviceIndex,
  instance,
  integer,
  itemsOf,
  positive,
  readOptions,
} from '../../check.ts';
import { quoted, rangeError, typeError } from '../../errors.ts';
import { concatenated, type Matrix, matrix } from '../../matrix.ts';
import type { QueryResults } from '../../retrieval.ts';
import { ImageLoader, inOrder, readsAll } from '../data/loader.ts';
import { checkSplit } from '../data/split.ts';
import type { Split } from '../data/types.ts';
import { lengthOf, ranges } from '../distributed/shard.ts';
import { Embedder } from '../lane/embedder.ts';
import { checkGroup, type RankGroup } from '../lane/group.ts';
import { searchDevice } from '../lane/native.ts';
import { Batch, checkResource } from '../lane/tensor.ts';
import { compatModes } from '../options/computation.ts';
import type { RunConfig } from '../options/options.ts';
import { type FusedOptions, fusedRetrievalMetrics } from './fused.ts';
import {
  emptyRecall,
  isEmpty,
  type Protocol,
  protocolOf,
  queriesOf,
  type RecallOptions,
  recallFrom,
  recallOf,
  retrievalOf,
} from './recall.ts';
import type { Evaluation, Recall, Space } from './types.ts';

export { chosen, type Distance, recallOf } from './recall.ts';

/** The outputs of a network for a split, one row per image. */
export interface Embedded {
  /** Unnormalized features of the backbone: rows x bodyWidth. */
  body: Float32Array;
  /** Unit vectors: rows x width. */
  euclidean: Float32Array;
  /** Points of the ball: rows x width. */
  hyperbolic: Float32Array;
  bodyWidth: number;
  width: number;
  /** Class of each row. */
  labels: Int32Array;
  /** Index of each row's image in the split; unreadable images are omitted. */
  indices: Int32Array;
}

/**
 * The parameters of the fused score of the two outputs: cosine / tauE - lambda d / tauH. For a tied head (both outputs are
 * functions of the same unit vector), the distance decreases monotonically with the cosine, so the score ranks like the
 * cosine and needs no separate search.
 */
export type Fusion = Pick<FusedOptions, 'tauE' | 'tauH' | 'lambda'> & { tied: boolean };

/** Options of {@link evaluate}, {@link embed} and {@link measure}. */
export interface EvaluateOptions extends Partial<Protocol> {
  /**
   * `hypmix`: evaluates the `hyperbolic` space as the published code does, by the Poincaré distance between the
   * Euclidean unit vectors, and computes this distance and that of the fused score with the published guards. Default
   * `none`.
   */
  compat?: RunConfig['compat'] | undefined;
  /** Also evaluate the fused score; absent by default. */
  fusion?: Fusion | undefined;
  /** Images per forward pass; default 128. */
  batchSize?: number;
  /** Device of the searches; by default the network's device if the core has kernels for it, otherwise the CPU. */
  device?: RecallOptions['device'];
  /** Ranks that divide the images and the queries among themselves; every rank receives all results. */
  group?: RankGroup | null;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Receives the results of this rank's queries in each space that is searched, in the order of the rows. */
  onQueries?: ((space: Space, results: QueryResults) => void) | undefined;
}

/**
 * Embeds a split and evaluates retrieval in each space. By default, each image is a query whose gallery is all other
 * images; with `queries`, the first `queries` images are queries and the rest are the gallery.
 *
 * @param split - test classes; with `parents` and without `queries`, strict Recall@1 is measured for each level of the class
 * tree
 * @param loader - a loader of the split with `mode: 'eval'`
 * @returns recall, R-Precision and MAP@R per space, each from 0 to 1, and the embeddings
 * @throws `ERR_HOROBALL_PICTURE` if no image can be read; the signal's reason if it is aborted
 * @example
 * const { evaluation } = await evaluate(embedder, test, new ImageLoader(test, { size: 48, mode: 'eval', seed: 1 }));
 * evaluation.spaces.hyperbolic.at[1]; // Recall@1
 */
export async function evaluate(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  options: EvaluateOptions = {},
): Promise<{ evaluation: Evaluation; embedded: Embedded }> {
  const checked = checkEvaluation('evaluate', options);
  const embedded = await embed(embedder, split, loader, checked);
  const device = checked.device ?? searchDevice(embedder.config.device);
  return { evaluation: await measure(embedded, split, embedder.c, { ...checked, device }), embedded };
}

/**
 * Embeds a split. Images are decoded while the network computes.
 *
 * @throws as {@link evaluate}
 */
export async function embed(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  options: EvaluateOptions = {},
): Promise<Embedded> {
  const checked = checkEvaluation('embed', options);
  return await gathered(await embedPart(embedder, split, loader, checked), checked.group);
}

/** Embeds the images of this rank. */
export async function embedPart(
  embedder: Embedder,
  split: Split,
  loader: ImageLoader,
  options: EvaluateOptions = {},
): Promise<Embedded> {
  const { batchSize = 128, group, signal, onProgress } = checkEvaluation('embed', options);
  checkResource('embed', 'embedder', embedder, Embedder);
  instance('embed', 'loader', loader, ImageLoader);
  const { samples: all } = checkSplit('embed', split);
  if (!readsAll(loader, all))
    throw rangeError('embed', 'loader', 'a loader of the split', 'one of other images or labels');
  const { model, dim, device } = embedder.config;
  const { first, end } = ranges(all.length, group.size)[group.rank]!;
  const total = end - first;
  const parts: Part[] = [];
  let done = 0;
  for await (const samples of loader.batches(inOrder(total, batchSize, first), {
    epoch: 0,
    ...(signal && { signal }),
  })) {
    signal?.throwIfAborted();
    using batch = Batch.from(samples.images, samples, model.mean, model.std, device);
    using outputs = embedder.forward(batch, { train: false });
    const [body, euclidean, hyperbolic] = await Promise.all([
      outputs.body.data(),
      outputs.euclidean.data(),
      outputs.hyperbolic.data(),
    ]);
    parts.push({ body, euclidean, hyperbolic, labels: samples.labels, indices: samples.indices });
    done += samples.count;
    await onProgress?.(done, total);
  }
  return { ...joined(parts), bodyWidth: model.embedDim, width: dim };
}

/**
 * Gathers the rows of all ranks, in the order of the images. Labels and indices are reinterpreted as float32 with the same
 * bits, because a conversion would round values above 2^24.
 */
export async function gathered(
  embedded: Embedded,
  group: Pick<RankGroup, 'size' | 'gatherValues'>,
): Promise<Embedded> {
  if (group.size === 1) return embedded;
  const whole = async ({ buffer, byteOffset, length }: Int32Array): Promise<Int32Array> => {
    const all = await group.gatherValues(new Float32Array(buffer, byteOffset, length));
    return new Int32Array(all.buffer, all.byteOffset, all.length);
  };
  return {
    ...embedded,
    body: await group.gatherValues(embedded.body),
    euclidean: await group.gatherValues(embedded.euclidean),
    hyperbolic: await group.gatherValues(embedded.hyperbolic),
    labels: await whole(embedded.labels),
    indices: await whole(embedded.indices),
  };
}

/**
 * Evaluates embeddings: the head's two outputs, the backbone's feature and, if requested, the fused score. In a group, the
 * ranks divide the queries.
 * @param c - the ball's curvature is -c
 */
export async function measure(
  embedded: Embedded,
  split: Split,
  c: number,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const checked = checkEvaluation('measure', options);
  return await averaged(await measurePart(embedded, split, c, checked), checked.group);
}

/** The evaluation of the queries of one rank. */
export interface PartOfEvaluation {
  evaluation: Evaluation;
  /** Number of queries of this rank, and of all ranks. */
  queries: number;
  total: number;
}

/** Averages the evaluations of all ranks, weighted by their numbers of queries. */
export async function averaged(
  { evaluation, queries, total }: PartOfEvaluation,
  group: RankGroup | null | undefined,
): Promise<Evaluation> {
  if (!group || group.size === 1) return evaluation;
  const means: number[] = [];
  mapped(evaluation.spaces, (mean) => means.push(mean));
  const sums = Float64Array.from(means, (mean) => mean * queries);
  await group.sum(sums);
  let next = 0;
  return { ...evaluation, spaces: mapped(evaluation.spaces, () => sums[next++]! / total) };
}

/** Returns the results with every number replaced by `replace(number)`, which is called in a fixed order. */
function mapped(
  { hyperbolic, cosine, body, fused }: Evaluation['spaces'],
  replace: (value: number) => number,
): Evaluation['spaces'] {
  const recall = ({ at, rPrecision = 0, mapAtR = 0, strict }: Recall): Recall => ({
    at: Object.fromEntries(Object.entries(at).map(([k, value]) => [k, replace(value)])),
    rPrecision: replace(rPrecision),
    mapAtR: replace(mapAtR),
    strict: strict.map(replace),
  });
  return {
    hyperbolic: recall(hyperbolic),
    cosine: recall(cosine),
    body: recall(body),
    ...(fused && { fused: recall(fused) }),
  };
}

/** Evaluates the queries of this rank; see {@link measure}. */
export async function measurePart(
  embedded: Embedded,
  split: Split,
  c: number,
  options: EvaluateOptions = {},
): Promise<PartOfEvaluation> {
  const operation = 'measure';
  const checked = checkEvaluation(operation, options);
  const { ks = [1, 2, 4, 8], queries, compat = 'none', fusion, device, signal, onQueries, group } = checked;
  const { labels, indices, width, bodyWidth, euclidean, hyperbolic, body } = checkObject(
    operation,
    embedded,
    'embedded',
  );
  for (const [name, value] of Object.entries({ labels, indices }))
    instance(operation, name, value, Int32Array);
  const { classes, parents } = checkSplit(operation, split);
  for (const label of parents ? labels : []) integer(operation, 'labels', label, 0, classes.length - 1);
  curvature(operation, c);
  const rows = (data: Float32Array, cols: number): Matrix<Float32Array> => matrix(data, labels.length, cols);
  const receive = (space: Space) => onQueries && ((results: QueryResults) => onQueries(space, results));
  const protocol = protocolOf({ ks, queries }, indices);
  const how = { ...protocol, device, signal, share: group };
  const published = compat === 'hypmix';
  const ball = { metric: 'poincare', c, ...(published && { compat: 'hypmix' as const }) } as const;
  const recall = (
    x: Matrix<Float32Array>,
    space: Space,
    distance: RecallOptions['distance'],
  ): Promise<Recall> => recallOf(x, labels, parents, { ...how, distance, onQueries: receive(space) });
  const spaces: Evaluation['spaces'] = {
    hyperbolic: await recall(rows(published ? euclidean : hyperbolic, width), 'hyperbolic', ball),
    cosine: await recall(rows(euclidean, width), 'cosine', { metric: 'cosine' }),
    body: await recall(rows(body, bodyWidth), 'body', { metric: 'cosine' }),
  };
  if (fusion?.tied) spaces.fused = spaces.cosine;
  else if (fusion) {
    const pair = [rows(euclidean, width), rows(hyperbolic, width)] as const;
    const options = { ...fusion, ...how, c, compat: ball.compat, onQueries: receive('fused') };
    spaces.fused = await fusedRecall(...pair, labels, options);
  }
  return {
    evaluation: { pictures: labels.length, classes: new Set(labels).size, spaces },
    queries: lengthOf(queriesOf(protocol, labels.length, group)),
    total: protocol.queries ?? labels.length,
  };
}

/** Measures recall under the fused score of two embeddings of the same images, possibly from two networks. */
export async function fusedRecall(
  euclidean: Matrix<Float32Array>,
  hyperbolic: Matrix<Float32Array>,
  labels: Int32Array,
  { ks, queries, share, onQueries, ...options }: Omit<FusedOptions, 'ks'> & Omit<RecallOptions, 'distance'>,
): Promise<Recall> {
  const how = retrievalOf({ ks, queries }, labels.length, share);
  if (share && isEmpty(share, how.query)) return emptyRecall(ks);
  const perQuery = onQueries !== undefined;
  const found = await fusedRetrievalMetrics(euclidean, hyperbolic, labels, { ...options, ...how, perQuery });
  if (found.perQuery) await onQueries?.(found.perQuery);
  return recallFrom(found, ks, how.ks);
}

const evaluateNames = [
  'ks',
  'queries',
  'compat',
  'fusion',
  'batchSize',
  'device',
  'group',
  'signal',
  'onProgress',
  'onQueries',
] as const satisfies (keyof EvaluateOptions)[];

/** Validates the options, and reads each property once. */
function checkEvaluation(operation: string, given: EvaluateOptions): EvaluateOptions & { group: RankGroup } {
  const options = readOptions(operation, given, evaluateNames);
  const { ks = [], queries, compat, fusion, batchSize = 1, device, group, signal } = options;
  if (!Array.isArray(ks)) throw typeError(operation, 'ks', 'a list of integers', quoted(ks));
  const ranks = Array.from(itemsOf(operation, 'ks', 'a list of integers', ks), (k) =>
    integer(operation, 'ks', k, 1, Number.MAX_SAFE_INTEGER),
  );
  if (queries !== undefined) integer(operation, 'queries', queries, 0, Number.MAX_SAFE_INTEGER);
  if (compat !== undefined) choice(operation, 'compat', compat, compatModes);
  const checkedFusion = fusion === undefined ? undefined : checkFusion(operation, fusion);
  integer(operation, 'batchSize', batchSize, 1, Number.MAX_SAFE_INTEGER);
  deviceIndex(operation, device);
  checkSignal(operation, signal);
  for (const name of ['onProgress', 'onQueries'] as const) checkCallback(operation, name, options[name]);
  return {
    ...options,
    ...(options.ks && { ks: ranks }),
    ...(checkedFusion && { fusion: checkedFusion }),
    group: checkGroup(operation, group),
  };
}

function checkFusion(operation: string, given: Fusion): Fusion {
  const { tauE, tauH, lambda, tied } = checkObject(operation, given, 'fusion');
  return {
    tauE: positive(operation, 'fusion.tauE', tauE),
    tauH: positive(operation, 'fusion.tauH', tauH),
    lambda: atLeastZero(operation, 'fusion.lambda', lambda),
    tied: boolean(operation, 'fusion.tied', tied, false),
  };
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
