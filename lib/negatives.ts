import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { gatherRows, inSlices, range, rowsPerSlice, sorted, widened } from './call/slices.ts';
import { distanceCard, distanceWeight, type Metric, type MetricCard } from './cards.ts';
import { callNames } from './check.ts';
import { integerList } from './integers.ts';
import { checkLogits, type Logits, logitNames, unitRowsOf } from './loss.ts';
import type { LogitOptions } from './loss-types.ts';
import { allocateArray, type DenseMatrix, type Matrix, zeros } from './matrix.ts';
import { slopesAt, slopesByAngle } from './metric-slopes.ts';
import { norm } from './norm.ts';
import { preparePairwise } from './pairwise.ts';
import { tiedRadius } from './row/head.ts';
import { batchViews } from './views.ts';

/** Options of {@link negativeWeights}. */
export interface NegativeOptions extends LogitOptions, CallOptions {
  /** The rows to use as anchors; default all. */
  anchors?: ArrayLike<number> | undefined;
}

/**
 * Weights of all N rows in the gradients of A anchors, summed over the ordered pairs of views that begin with the
 * anchor's view. A negative in the anchor's view occurs in all `views - 1` pairs, any other negative in one pair.
 * Entries of the anchor's own class are 0 (rank: -1).
 */
export interface NegativeWeights {
  readonly anchors: Int32Array;
  /** A x N: the softmax probabilities of the negatives. */
  readonly p: DenseMatrix<Float64Array>;
  /**
   * A x N: `p` divided by its row's sum. Up to a factor per anchor, the gradient of the loss is the expected gradient
   * for a negative sampled from q.
   */
  readonly q: DenseMatrix<Float64Array>;
  /** A x N: `p` times the norm of the inner-product term's tangential gradient with respect to the anchor's unit row. */
  readonly pullEuclidean: DenseMatrix<Float64Array>;
  /**
   * A x N: `p` times the norm of the distance term's gradient. If tied, the gradient is per radian of rotation of the
   * unit row, so it can be added to `pullEuclidean`. Otherwise the norm is taken in the space of the metric's points:
   * Riemannian in the ball and on the hyperboloid.
   */
  readonly pullHyperbolic: DenseMatrix<Float64Array>;
  /** A x N: rank among the anchor's negatives by cosine, where 0 is the hardest. */
  readonly rank: Int32Array;
  /** A: probabilities of the positives, summed over the pairs. */
  readonly positive: Float64Array;
  /** A: exp(entropy of q), the effective number of negatives. */
  readonly effective: Float64Array;
  /** A: sum of q over the hardest 1% of the negatives by cosine, rounded up to a whole number of negatives. */
  readonly hardest1: Float64Array;
  /** A: the same for the hardest 10%. */
  readonly hardest10: Float64Array;
  /** A: sum of q over the negatives in the anchor's view; the rest of q is cross-view. */
  readonly sameView: Float64Array;
}

const name = 'negativeWeights';
const known: ReadonlySet<string> = new Set([...logitNames, ...callNames, 'anchors']);

/** Pairs per call of the core: bounds the memory of their distances. */
const blockSize = 1 << 15;

function* weigh(options: NegativeOptions): Steps<NegativeWeights> {
  const given = checkLogits(name, options, known);
  const { rows } = given;
  const batch = yield* batchOf(rows, options);
  const { anchors: list, threads, device } = options;
  const anchors =
    list === undefined
      ? yield* range(rows)
      : yield* integerList(name, 'anchors', list, { least: 0, most: rows - 1 });
  const call = { threads, device };
  const report = new Report(anchors, batch);
  const logits = { ...given, euclidean: (yield* unitRowsOf(name, given)).euclidean };
  const { e, h } = yield* points(logits);
  const terms = new Terms(logits, yield* normsOf(e));
  const each = h && (yield* slopesOfPairs(h, anchors, logits, call));
  const block = Math.max(1, Math.floor(blockSize / rows));
  for (let begin = 0; begin < anchors.length; begin += block) {
    const part = anchors.subarray(begin, begin + block);
    const cosine = yield* distances(e ?? h!, part, 'cosine', logits, call);
    const distance = h && (yield* distances(h, part, metricOf(logits).name, logits, call));
    const slope = distance && (yield* slopesOf(logits, cosine, distance, each?.subarray(begin * rows), call));
    for (let i = 0; i < part.length; ++i) {
      const [away, far, steep] = [cosine, distance, slope].map((matrix) => matrix && row(matrix, i));
      yield* report.add(begin + i, { anchor: part[i]!, cosine: away!, distance: far, slope: steep }, terms);
    }
  }
  return report.result;
}

/** Class and view of every row. */
interface Batch {
  readonly views: number;
  readonly classOf: Int32Array;
  readonly viewOf: Int32Array;
}

function* batchOf(rows: number, options: NegativeOptions): Steps<Batch> {
  const { views, order } = yield* batchViews(name, rows, options.views, options.labels);
  const classOf = new Int32Array(rows);
  const viewOf = new Int32Array(rows);
  yield* inSlices(rows, (begin, end) => {
    for (let i = begin; i < end; ++i) {
      const row = order?.[i] ?? i;
      classOf[row] = Math.floor(i / views);
      viewOf[row] = i % views;
    }
  });
  return { views, classOf, viewOf };
}

/** Returns the rows of both spaces in float64; the ball points of a tied head are its scaled unit rows. */
function* points(logits: Logits): Steps<{ e?: Matrix<Float64Array>; h?: Matrix<Float64Array> }> {
  const { euclidean, hyperbolic, tied, card } = logits;
  const e = euclidean && (yield* widened(name, 'euclidean', euclidean));
  if (tied && card.distance !== null)
    return { ...(e && { e }), h: yield* widened(name, 'euclidean', euclidean!, tiedRadius(logits)) };
  const h = hyperbolic && (yield* widened(name, 'hyperbolic', hyperbolic));
  return { ...(e && { e }), ...(h && { h }) };
}

/** Returns the norm of every row. */
function* normsOf(e: Matrix<Float64Array> | undefined): Steps<Float64Array | undefined> {
  if (e === undefined) return undefined;
  const norms = new Float64Array(e.rows);
  const some = (begin: number, end: number): void => {
    for (let i = begin; i < end; ++i) norms[i] = norm(row(e, i));
  };
  yield* inSlices(e.rows, some, rowsPerSlice(16 * e.cols));
  return norms;
}

/** Returns the distances between some rows and all rows. */
function* distances(
  all: Matrix<Float64Array>,
  part: Int32Array,
  metric: Metric,
  { c }: Logits,
  { threads, device }: CallOptions,
): Steps<Matrix<Float64Array>> {
  const some = yield* gatherRows(name, 'anchors', all, part);
  const step = preparePairwise(name, some, all, { metric, c, threads, device });
  yield step;
  return step.finish();
}

/** Returns the metric of a geometry that has a distance. */
const metricOf = ({ card, tied }: Logits): MetricCard => distanceCard(card, tied)!;

/**
 * Returns the norms of the distance's gradient for all anchors. Undefined for a tied head, whose norms depend only on the
 * angle, and for a metric with a constant slope.
 */
function* slopesOfPairs(
  h: Matrix<Float64Array>,
  anchors: Int32Array,
  logits: Logits,
  call: CallOptions,
): Steps<Float64Array | undefined> {
  const metric = metricOf(logits);
  if (logits.tied || metric.slope > 0) return undefined;
  return (yield* slopesAt(name, h, anchors, { ...call, metric, c: logits.c })).data;
}

/** Returns the norms of the distance's gradient for a block of anchors; `each`: those from `slopesOfPairs`, if any. */
function* slopesOf(
  logits: Logits,
  cosine: Matrix<Float64Array>,
  distance: Matrix<Float64Array>,
  each: Float64Array | undefined,
  call: CallOptions,
): Steps<Matrix<Float64Array>> {
  const metric = metricOf(logits);
  if (logits.tied)
    return yield* slopesByAngle(name, tiedRadius(logits), cosine, { ...call, metric, c: logits.c });
  if (each !== undefined) return { ...distance, data: each };
  const slopes = zeros(name, distance.data, distance.rows, distance.cols);
  yield* inSlices(slopes.data.length, (begin, end) => {
    for (let i = begin; i < end; ++i) slopes.data[i] = distance.data[i] === 0 ? 0 : metric.slope;
  });
  return slopes;
}

function row({ data, cols }: Matrix<Float64Array>, i: number): Float64Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** One anchor's distances to every row, and the norms of the distance's gradient. */
interface Anchor {
  readonly anchor: number;
  readonly cosine: Float64Array;
  readonly distance: Float64Array | undefined;
  readonly slope: Float64Array | undefined;
}

/** Computes logits, and the gradient norms of their two terms. */
class Terms {
  readonly #euclidean: number;
  readonly #hyperbolic: number;
  readonly #norms: Float64Array | undefined;

  /** @param norms - of the rows of `euclidean`, if the geometry reads them */
  constructor({ card, tauE, tauH, lambda }: Logits, norms: Float64Array | undefined) {
    this.#euclidean = card.inner ? 1 / tauE : 0;
    this.#hyperbolic = distanceWeight(card, { lambda, tauH });
    this.#norms = norms;
  }

  /** Returns the logit of the anchor and row j. */
  logit({ anchor, cosine, distance }: Anchor, j: number): number {
    const norms = this.#norms;
    const product = norms === undefined ? 0 : norms[anchor]! * norms[j]! * (1 - cosine[j]!);
    // With weight 0, distances are ignored, including infinite ones.
    const far = this.#hyperbolic === 0 ? 0 : this.#hyperbolic * distance![j]!;
    return this.#euclidean * product - far;
  }

  /** Returns the norm of the inner product's gradient on the unit sphere: sin theta, divided by the temperature. */
  euclidean({ cosine }: Anchor, j: number): number {
    const away = Math.min(cosine[j]!, 2);
    return this.#euclidean * Math.sqrt(away * (2 - away));
  }

  /** Returns the norm of the distance term's gradient. */
  hyperbolic({ slope }: Anchor, j: number): number {
    return this.#hyperbolic === 0 ? 0 : this.#hyperbolic * slope![j]!;
  }
}

/** Builds the result, anchor by anchor. */
class Report {
  readonly result: NegativeWeights;
  readonly #batch: Batch;
  /** Logits of one anchor, then their exponentials; overwritten for the next anchor. */
  readonly #values: Float64Array;

  constructor(anchors: Int32Array, batch: Batch) {
    const [count, rows] = [anchors.length, batch.classOf.length];
    const grid = () => zeros(name, new Float64Array(0), count, rows);
    const list = () => new Float64Array(count);
    this.#batch = batch;
    this.#values = new Float64Array(rows);
    this.result = {
      anchors,
      p: grid(),
      q: grid(),
      pullEuclidean: grid(),
      pullHyperbolic: grid(),
      rank: allocateArray(name, Int32Array, count * rows),
      positive: list(),
      effective: list(),
      hardest1: list(),
      hardest10: list(),
      sameView: list(),
    };
  }

  *add(i: number, at: Anchor, terms: Terms): Steps<void> {
    const { viewOf } = this.#batch;
    const { p, q, pullEuclidean, pullHyperbolic, rank } = this.result;
    const [weights, shares] = [row(p, i), row(q, i)];
    const [pullE, pullH] = [row(pullEuclidean, i), row(pullHyperbolic, i)];
    const ranks = rank.subarray(i * weights.length, (i + 1) * weights.length).fill(-1);
    this.result.positive[i] = yield* this.#softmax(at, terms, weights);
    const negatives = yield* this.#negativesOf(at.anchor);
    const { length } = negatives;
    let total = 0;
    yield* inSlices(length, (begin, end) => {
      for (let k = begin; k < end; ++k) total += weights[negatives[k]!]!;
    });
    let entropy = 0;
    let same = 0;
    yield* inSlices(length, (begin, end) => {
      for (const j of negatives.subarray(begin, end)) {
        const share = total === 0 ? 0 : weights[j]! / total;
        shares[j] = share;
        pullE[j] = weights[j]! * terms.euclidean(at, j);
        pullH[j] = weights[j]! * terms.hyperbolic(at, j);
        if (share > 0) entropy -= share * Math.log(share);
        if (viewOf[j] === viewOf[at.anchor]) same += share;
      }
    });
    const order = yield* sorted(negatives, (a, b) => at.cosine[a]! - at.cosine[b]! || a - b);
    let sum = 0;
    yield* inSlices(length, (begin, end) => {
      for (let k = begin; k < end; ++k) {
        ranks[order[k]!] = k;
        sum += shares[order[k]!]!;
        if (k + 1 === Math.ceil(0.01 * length)) this.result.hardest1[i] = sum;
        if (k + 1 === Math.ceil(0.1 * length)) this.result.hardest10[i] = sum;
      }
    });
    this.result.effective[i] = length === 0 ? 0 : Math.exp(entropy);
    this.result.sameView[i] = same;
  }

  /** Returns the rows of other classes, in ascending order. */
  *#negativesOf(anchor: number): Steps<Int32Array> {
    const { classOf } = this.#batch;
    const anchorClass = classOf[anchor]!;
    const found = new Int32Array(classOf.length);
    let count = 0;
    yield* inSlices(classOf.length, (begin, end) => {
      for (let j = begin; j < end; ++j) if (classOf[j] !== anchorClass) found[count++] = j;
    });
    return found.subarray(0, count);
  }

  /**
   * Writes each negative's softmax probability, summed over the pairs of views, to `weights`; returns the sum over
   * the positives.
   */
  *#softmax(at: Anchor, terms: Terms, weights: Float64Array): Steps<number> {
    const { views, classOf, viewOf } = this.#batch;
    const values = this.#values;
    const { length } = values;
    const anchorClass = classOf[at.anchor]!;
    const view = viewOf[at.anchor]!;
    let top = -Infinity;
    yield* inSlices(length, (begin, end) => {
      for (let j = begin; j < end; ++j) {
        values[j] = j === at.anchor ? -Infinity : terms.logit(at, j);
        top = Math.max(top, values[j]!);
      }
    });
    const sums = new Float64Array(views);
    yield* inSlices(length, (begin, end) => {
      for (let j = begin; j < end; ++j) {
        values[j] = Math.exp(values[j]! - top);
        if (viewOf[j] !== view || classOf[j] !== anchorClass) sums[viewOf[j]!]! += values[j]!;
      }
    });
    let positive = 0;
    let reciprocals = 0;
    const divisors = sums.map((cross) => cross + sums[view]!);
    for (let b = 0; b < views; ++b) if (b !== view) reciprocals += 1 / divisors[b]!;
    yield* inSlices(length, (begin, end) => {
      for (let j = begin; j < end; ++j) {
        if (j === at.anchor) continue;
        const p = values[j]! * (viewOf[j] === view ? reciprocals : 1 / divisors[viewOf[j]!]!);
        if (classOf[j] === anchorClass) positive += p;
        else weights[j] = p;
      }
    });
    return positive;
  }
}

/** The type of {@link negativeWeights}. */
export interface NegativeWeightsFunction {
  (options: NegativeOptions & AsyncOptions): Promise<NegativeWeights>;
  sync(options: NegativeOptions): NegativeWeights;
}

/**
 * Computes the weight of each negative under a geometry, in float64: the gradient of the contrastive loss is a weighted
 * sum over triplets, and the weight of a triplet is the softmax probability of its negative.
 *
 * @param options - as for `hybridContrastiveLoss`; `anchors` limits the size of the A x N results
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const euclidean = matrix(new Float32Array([1, 0, 0.6, 0.8, -1, 0, -0.6, -0.8]), 4, 2); // two classes, two views
 * const { q, rank, effective } = await negativeWeights({ euclidean, tied: true, views: 2, c: 0.1, anchors: [0] });
 * rank; // => new Int32Array([-1, -1, 1, 0])
 */
export const negativeWeights: NegativeWeightsFunction = Object.assign(
  (options: NegativeOptions & AsyncOptions) => runSteps(name, options?.signal, () => weigh(options)),
  { sync: (options: NegativeOptions) => runStepsSync(name, weigh(options), options?.signal) },
);
