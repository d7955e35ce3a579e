import { type AsyncOptions, checkSignal, runSteps, type Steps } from '../call/run.ts';
import { inSlices, rowsPerSlice } from '../call/slices.ts';
import {
  boolean,
  checkCallback,
  checkOptions,
  choice,
  curvature,
  integer,
  positive,
  threadCount,
} from '../check.ts';
import { coded } from '../errors.ts';
import type { DenseMatrix } from '../matrix.ts';
import { matrix } from '../matrix.ts';
import type { OnEpoch } from './epochs.ts';
import { type Node, type Relation, relationOf } from './graph.ts';
import type { TreeState } from './kernel.ts';
import { runTree } from './threads.ts';

/** Options of {@link embedTree}. */
export interface EmbedTreeOptions extends AsyncOptions {
  /** Dimension of the points, 1 or more. */
  dim: number;
  /** The curvature is -c, c > 0; default 1. */
  c?: number | undefined;
  /**
   * Coordinates of the result: on the ball (default, n x dim) or on the hyperboloid (n x (dim + 1)). The points are the
   * same.
   */
  model?: 'poincare' | 'lorentz' | undefined;
  /**
   * `graph` (default): an edge relates its two nodes to each other. `ancestors`: edges lead from a node to its parents, and
   * each node is related to all its ancestors, as in Nickel and Kiela (2017).
   */
  relation?: 'graph' | 'ancestors' | undefined;
  /** Passes over all related pairs; default 100. */
  epochs?: number | undefined;
  /** Unrelated nodes per pair in the loss; default 50. */
  negatives?: number | undefined;
  /** Step size; default 0.1. */
  lr?: number | undefined;
  /** Number of initial epochs with a tenth of the step size; default 10. */
  burnIn?: number | undefined;
  /** Pairs per step; default 32. */
  batch?: number | undefined;
  /** Seed of the initial points, the order and the negatives; default 0. */
  seed?: number | undefined;
  /** Number of threads, 1 or more; default all CPUs. Results do not depend on it. */
  threads?: number | undefined;
  /** Prints the loss of each epoch, and the mean rank and MAP at the end, to stderr (in Node); default false. */
  verbose?: boolean | undefined;
  /** Called after each epoch, with the completed epochs, the total and the mean loss per pair. */
  onProgress?: ((done: number, total: number, loss: number) => void) | undefined;
}

/** An embedding of a graph. */
export interface TreeEmbedding {
  /** One row per node, in float64. */
  readonly points: DenseMatrix<Float64Array>;
  /**
   * The node of each row: nodes are in order of first occurrence, or ascending if they are exactly the integers 0 to n
   * - 1.
   */
  readonly nodes: readonly Node[];
  /** Mean rank of a related node by distance among the unrelated nodes; 1 is perfect. */
  readonly meanRank: number;
  /** Mean average precision of the related nodes, over the nodes that have any; 1 is perfect. */
  readonly map: number;
  /**
   * Number of nodes over which `meanRank` and `map` are computed: all that have related nodes or, if these are too many in
   * a graph with more than 32,768 nodes, 1000 or more random ones, because the time for all of them is quadratic.
   */
  readonly ranked: number;
  /** Mean loss per pair in each epoch. */
  readonly losses: readonly number[];
}

const name = 'embedTree';
const known: ReadonlySet<string> = new Set(
  Object.keys({
    dim: true,
    c: true,
    model: true,
    relation: true,
    epochs: true,
    negatives: true,
    lr: true,
    burnIn: true,
    batch: true,
    seed: true,
    threads: true,
    verbose: true,
    onProgress: true,
    signal: true,
  } satisfies Record<keyof EmbedTreeOptions, true>),
);
const models = ['poincare', 'lorentz'];
const relations = ['graph', 'ancestors'];
const maxEpochs = 1 << 20;

/**
 * Embeds a graph in hyperbolic space such that related nodes are close to each other (Nickel and Kiela, "Poincaré
 * Embeddings for Learning Hierarchical Representations", 2017). Minimizes `-log(exp(-d(u, v)) / sum_w exp(-d(u, w)))`
 * over related pairs (u, v), where w is v or one of `negatives` random nodes that are not related to u. Uses Riemannian
 * SGD along geodesics of the hyperboloid ("Learning Continuous Hierarchies in the Lorentz Model of Hyperbolic
 * Geometry", 2018). Runs in worker threads; in browsers, on the page's thread, yielding to the event loop every few
 * milliseconds.
 *
 * @param edges - pairs of nodes, which are strings or integers
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; the signal's reason if it is aborted
 * @example
 * const edges = [['lion', 'cat'], ['tiger', 'cat'], ['cat', 'animal'], ['dog', 'animal']];
 * const { points, nodes, map } = await embedTree(edges, { dim: 2, relation: 'ancestors' });
 * points.rows; // => 5
 * nodes[0]; // => 'lion'
 */
export async function embedTree(
  edges: Iterable<readonly Node[]>,
  options: EmbedTreeOptions,
): Promise<TreeEmbedding> {
  const given = checkOptions(name, options ?? (null as unknown as EmbedTreeOptions), 'options', known);
  const { signal, onProgress } = given;
  checkSignal(name, signal);
  checkCallback(name, 'onProgress', onProgress);
  const dim = integer(name, 'dim', given.dim, 1, 4096);
  const c = curvature(name, given.c ?? 1);
  const lorentz = choice(name, 'model', given.model ?? 'poincare', models) === 1;
  const ancestors = choice(name, 'relation', given.relation ?? 'graph', relations) === 1;
  const epochs = integer(name, 'epochs', given.epochs ?? 100, 1, maxEpochs);
  const burnIn = integer(name, 'burnIn', given.burnIn ?? 10, 0, maxEpochs);
  const verbose = boolean(name, 'verbose', given.verbose, false);
  const sizes = {
    dim,
    c,
    negatives: integer(name, 'negatives', given.negatives ?? 50, 1, 4096),
    batch: integer(name, 'batch', given.batch ?? 32, 1, 65_536),
    seed: integer(name, 'seed', given.seed ?? 0, 0, 0xffffffff),
  };
  const rate = positive(name, 'lr', given.lr ?? 0.1);
  const threads = threadCount(name, given.threads);
  const relation = await runSteps(name, signal, () => relationOf(edges, ancestors));
  const state = await runSteps(name, signal, () => stateOf(relation, sizes));
  signal?.throwIfAborted();
  const losses: number[] = [];
  const onEpoch: OnEpoch = (done, loss) => {
    losses.push(loss);
    if (verbose) report(`epoch ${done}/${epochs}  loss ${loss.toFixed(4)}`);
    onProgress?.(done, epochs, loss);
  };
  const work = { state, epochs, burnIn, rate, barrier: shared(Int32Array, 2) };
  await runTree(work, threads, onEpoch, signal);
  const { points, ...scores } = await runSteps(name, signal, () => resultOf(state, lorentz));
  if (verbose)
    report(
      `mean rank ${scores.meanRank.toFixed(2)}  MAP ${scores.map.toFixed(4)}  of ${scores.ranked} nodes`,
    );
  return { points, nodes: relation.nodes, ...scores, losses };
}

function report(line: string): void {
  if (typeof process !== 'undefined') process.stderr?.write(`${line}\n`);
}

function* stateOf(
  { nodes, pairs, starts, related }: Relation,
  sizes: Pick<TreeState, 'dim' | 'c' | 'negatives' | 'batch' | 'seed'>,
): Steps<TreeState> {
  const { dim, batch, negatives } = sizes;
  const n = nodes.length;
  return {
    ...sizes,
    points: shared(Float64Array, n * (dim + 1)),
    gradients: shared(Float64Array, n * (dim + 1)),
    pairs: yield* sharedCopy(pairs),
    order: shared(Int32Array, pairs.length / 2),
    starts: yield* sharedCopy(starts),
    related: yield* sharedCopy(related),
    nodes: shared(Int32Array, batch * (negatives + 2)),
    factors: shared(Float64Array, batch * (negatives + 1)),
    losses: shared(Float64Array, batch),
    ranks: shared(Float64Array, n),
    precisions: shared(Float64Array, n),
  };
}

/** Allocates an array that threads share, or an ordinary array if the browser has no shared memory. */
function shared<T extends Int32Array | Float64Array>(
  Type: { new (buffer: ArrayBufferLike): T; readonly BYTES_PER_ELEMENT: number },
  length: number,
): T {
  const bytes = Type.BYTES_PER_ELEMENT * length;
  try {
    const Memory = typeof SharedArrayBuffer === 'function' ? SharedArrayBuffer : ArrayBuffer;
    return new Type(new Memory(bytes));
  } catch {
    throw coded(
      'ERR_HOROBALL_MEMORY',
      `[${name}] cannot allocate ${bytes} bytes. Use a smaller graph, dim or batch.`,
    );
  }
}

function* sharedCopy(of: Int32Array): Steps<Int32Array> {
  const copy = shared(Int32Array, of.length);
  const part = (begin: number, end: number): void => copy.set(of.subarray(begin, end), begin);
  yield* inSlices(of.length, part, 1 << 16);
  return copy;
}

function* resultOf(
  state: TreeState,
  lorentz: boolean,
): Steps<Pick<TreeEmbedding, 'points' | 'meanRank' | 'map' | 'ranked'>> {
  const points = yield* coordinates(state, lorentz);
  const [meanRank, ranked] = yield* mean(state.ranks);
  const [map] = yield* mean(state.precisions);
  return { points, meanRank, map, ranked };
}

/** Mean of the values that are not NaN, and their number. */
function* mean(values: Float64Array): Steps<[mean: number, count: number]> {
  let [sum, count] = [0, 0];
  yield* inSlices(values.length, (begin, end) => {
    for (const value of values.subarray(begin, end)) {
      if (Number.isNaN(value)) continue;
      sum += value;
      count += 1;
    }
  });
  return [sum / count, count];
}

/**
 * Scales points to curvature -c: `x / sqrt(c)` on the hyperboloid, or its projection `x / (1 + x0) / sqrt(c)` to the
 * ball.
 */
function* coordinates({ points, dim, c }: TreeState, lorentz: boolean): Steps<DenseMatrix<Float64Array>> {
  const [width, radius] = [dim + 1, 1 / Math.sqrt(c)];
  const rows = points.length / width;
  const [skip, cols] = lorentz ? [0, width] : [1, dim];
  const result = new Float64Array(rows * cols);
  const place = (begin: number, end: number): void => {
    for (let row = begin; row < end; ++row) {
      const scale = lorentz ? radius : radius / (1 + points[row * width]!);
      for (let i = 0; i < cols; ++i) result[row * cols + i] = scale * points[row * width + skip + i]!;
    }
  };
  yield* inSlices(rows, place, rowsPerSlice(width));
  return matrix(result, rows, cols);
}
