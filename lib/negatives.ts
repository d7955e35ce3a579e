import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call.ts';
import { integerList, range } from './integers.ts';
import { checkLogits, geometries, type LogitOptions, type Logits, tiedRadius } from './loss.ts';
import { allocate, type Matrix, room, rowsAt, zeros } from './matrix.ts';
import { type Metric, preparePairwise } from './pairwise.ts';
import { batchViews } from './views.ts';

/** Options of {@link negativeWeights}. */
export interface NegativeOptions extends LogitOptions, CallOptions {
  /** The rows to report on; default all. */
  anchors?: ArrayLike<number> | undefined;
}

/**
 * How strongly each row (N) pulls on each anchor (A), summed over the ordered pairs of views in which the
 * anchor's view is the first: there a negative of the anchor's own view stands in V-1 rows, one of another view in
 * one. Entries of the anchor's own class are 0 (rank: -1).
 */
export interface NegativeWeights {
  readonly anchors: Int32Array;
  /** A x N: the softmax probabilities of the negatives. */
  readonly p: Matrix<Float64Array>;
  /** A x N: `p` divided by its row's sum. The loss is negative sampling from q. */
  readonly q: Matrix<Float64Array>;
  /** A x N: `p` times the norm of the inner product's tangential gradient in the anchor's unit row. */
  readonly pullEuclidean: Matrix<Float64Array>;
  /**
   * A x N: `p` times the norm of the distance term's gradient. Tied: per radian of the unit row, so it adds to
   * `pullEuclidean`. Untied: the Riemannian norm in the ball (chordal: the Euclidean one).
   */
  readonly pullHyperbolic: Matrix<Float64Array>;
  /** A x N: the place among the anchor's negatives by cosine, 0 the hardest. */
  readonly rank: Int32Array;
  /** A: the positives' probabilities, summed over the pairs. */
  readonly positive: Float64Array;
  /** A: exp(entropy of q), the effective number of negatives. */
  readonly effective: Float64Array;
  /** A: share of q on the hardest ceil(1 %) of the negatives by cosine. */
  readonly hardest1: Float64Array;
  /** A: share of q on the hardest ceil(10 %). */
  readonly hardest10: Float64Array;
  /** A: share of q on negatives of the anchor's own view; the rest is cross-view. */
  readonly sameView: Float64Array;
}

const name = 'negativeWeights';

/** Pairs that are worked out between two turns of the event loop: a few milliseconds. */
const blockSize = 1 << 15;

function* weigh(options: NegativeOptions): Steps<NegativeWeights> {
  const logits = checkLogits(name, options);
  const { rows } = logits;
  const batch = places(rows, options);
  const anchors = options.anchors
    ? integerList(name, 'anchors', options.anchors, { least: 0, most: rows - 1 })
    : range(rows);
  const report = new Report(anchors, batch);
  const { e, h } = points(logits);
  const slopes = new Slopes(logits, e, h);
  const block = Math.max(1, Math.floor(blockSize / rows));
  for (let begin = 0; begin < anchors.length; begin += block) {
    const part = anchors.subarray(begin, begin + block);
    const cosine = yield* distances(e ?? h!, part, 'cosine', logits, options);
    const distance = h && (yield* distances(h, part, slopes.metric, logits, options));
    for (let i = 0; i < part.length; ++i) {
      const at = { anchor: part[i]!, cosine: row(cosine, i), distance: distance && row(distance, i) };
      report.add(begin + i, at, slopes);
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

function places(rows: number, options: NegativeOptions): Batch {
  const { views, order } = batchViews(name, rows, options.views, options.labels);
  const classOf = new Int32Array(rows);
  const viewOf = new Int32Array(rows);
  for (let place = 0; place < rows; ++place) {
    const row = order?.[place] ?? place;
    classOf[row] = Math.floor(place / views);
    viewOf[row] = place % views;
  }
  return { views, classOf, viewOf };
}

/** The two heads in float64; a tied head's ball points are its unit rows, shortened. */
function points(logits: Logits): { e?: Matrix<Float64Array>; h?: Matrix<Float64Array> } {
  const wide = ({ data, rows, cols }: Matrix, scale = 1) => {
    const out = allocate(name, new Float64Array(0), rows * cols);
    for (let i = 0; i < out.length; ++i) out[i] = data[i]! * scale;
    return { data: out, rows, cols };
  };
  const { euclidean, hyperbolic, tied, geometry } = logits;
  const e = euclidean && wide(euclidean);
  const curved = geometries[geometry] !== 'euclidean';
  const h = tied && curved ? wide(euclidean!, tiedRadius(logits)) : hyperbolic && wide(hyperbolic);
  return { ...(e && { e }), ...(h && { h }) };
}

/** Distances of some rows from all. */
function* distances(
  all: Matrix<Float64Array>,
  part: Int32Array,
  metric: Metric,
  { c }: Logits,
  { threads, device }: CallOptions,
): Steps<Matrix<Float64Array>> {
  const step = preparePairwise(name, rowsAt(name, all, part), all, { metric, c, threads, device });
  yield step;
  return step.finish();
}

function row({ data, cols }: Matrix<Float64Array>, i: number): Float64Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** What one anchor's distances from every row are. */
interface Anchor {
  readonly anchor: number;
  readonly cosine: Float64Array;
  readonly distance: Float64Array | undefined;
}

/** Logits and the norms of their two terms' gradients. */
class Slopes {
  readonly metric: Metric;
  readonly #logits: Logits;
  readonly #euclidean: number;
  readonly #hyperbolic: number;
  readonly #norms: Float64Array | undefined;
  readonly #radius: number;

  constructor(logits: Logits, e: Matrix<Float64Array> | undefined, h: Matrix<Float64Array> | undefined) {
    const geometry = geometries[logits.geometry]!;
    this.#logits = logits;
    this.#euclidean = geometry === 'hybrid' || geometry === 'euclidean' ? 1 / logits.tauE : 0;
    this.#hyperbolic = h === undefined ? 0 : (geometry === 'hybrid' ? logits.lambda : 1) / logits.tauH;
    this.#norms = e && Float64Array.from({ length: e.rows }, (_, i) => Math.hypot(...row(e, i)));
    this.#radius = tiedRadius(logits);
    this.metric = geometry === 'chordal' ? 'chordal' : 'poincare';
  }

  /** The logit of the anchor with row j. */
  logit({ anchor, cosine, distance }: Anchor, j: number): number {
    const norms = this.#norms;
    const product = norms === undefined ? 0 : norms[anchor]! * norms[j]! * (1 - cosine[j]!);
    // Without weight a distance counts for nothing, an infinite one too.
    const far = this.#hyperbolic === 0 ? 0 : this.#hyperbolic * distance![j]!;
    return this.#euclidean * product - far;
  }

  /** Of the inner product on the unit sphere: sin theta over the temperature. */
  euclidean({ cosine }: Anchor, j: number): number {
    const away = Math.min(cosine[j]!, 2);
    return this.#euclidean * Math.sqrt(away * (2 - away));
  }

  /**
   * Of the distance term. Untied: 1 for d_c in the Riemannian norm, 2 for the chord. Tied: in the angle theta,
   * `2 r cos(theta/2) / (a sqrt(1+u))` with `u = sinh^2(sqrt(c) d / 2)`; for the chord `2 r cos(theta/2)`.
   */
  hyperbolic({ cosine, distance }: Anchor, j: number): number {
    const d = distance?.[j];
    if (d === undefined) return 0;
    const chord = this.metric === 'chordal';
    if (!this.#logits.tied) return d === 0 ? 0 : this.#hyperbolic * (chord ? 2 : 1);
    const { c } = this.#logits;
    const r = this.#radius;
    const half = Math.sqrt(Math.max(0, 1 - cosine[j]! / 2));
    const bend = chord ? 1 : (1 - c * r * r) * Math.cosh((Math.sqrt(c) * d) / 2);
    return (this.#hyperbolic * 2 * r * half) / bend;
  }
}

/** Fills the result, an anchor at a time. */
class Report {
  readonly result: NegativeWeights;
  readonly #batch: Batch;

  constructor(anchors: Int32Array, batch: Batch) {
    const [count, rows] = [anchors.length, batch.classOf.length];
    const grid = () => zeros(name, new Float64Array(0), count, rows);
    const list = () => new Float64Array(count);
    this.#batch = batch;
    this.result = {
      anchors,
      p: grid(),
      q: grid(),
      pullEuclidean: grid(),
      pullHyperbolic: grid(),
      rank: room(name, Int32Array, count * rows).fill(-1),
      positive: list(),
      effective: list(),
      hardest1: list(),
      hardest10: list(),
      sameView: list(),
    };
  }

  add(i: number, at: Anchor, slopes: Slopes): void {
    const { classOf, viewOf } = this.#batch;
    const { p, q, pullEuclidean, pullHyperbolic, rank } = this.result;
    const own = classOf[at.anchor]!;
    const negatives = Array.from(classOf.keys()).filter((j) => classOf[j] !== own);
    const [weights, shares] = [row(p, i), row(q, i)];
    const [pullE, pullH] = [row(pullEuclidean, i), row(pullHyperbolic, i)];
    this.result.positive[i] = this.#softmax(at, slopes, weights);
    const total = negatives.reduce((sum, j) => sum + weights[j]!, 0);
    let entropy = 0;
    let same = 0;
    for (const j of negatives) {
      const share = total === 0 ? 0 : weights[j]! / total;
      shares[j] = share;
      pullE[j] = weights[j]! * slopes.euclidean(at, j);
      pullH[j] = weights[j]! * slopes.hyperbolic(at, j);
      if (share > 0) entropy -= share * Math.log(share);
      if (viewOf[j] === viewOf[at.anchor]) same += share;
    }
    negatives.sort((a, b) => at.cosine[a]! - at.cosine[b]! || a - b);
    negatives.forEach((j, place) => {
      rank[i * weights.length + j] = place;
    });
    const hardest = (part: number) =>
      negatives.slice(0, Math.ceil(part * negatives.length)).reduce((sum, j) => sum + shares[j]!, 0);
    this.result.effective[i] = negatives.length === 0 ? 0 : Math.exp(entropy);
    this.result.hardest1[i] = hardest(0.01);
    this.result.hardest10[i] = hardest(0.1);
    this.result.sameView[i] = same;
  }

  /** Sums the softmax of every ordered pair's row into `weights`; returns the positives' part. */
  #softmax(at: Anchor, slopes: Slopes, weights: Float64Array): number {
    const { views, classOf, viewOf } = this.#batch;
    const own = classOf[at.anchor]!;
    const view = viewOf[at.anchor]!;
    const logits = weights.map((_, j) => (j === at.anchor ? -Infinity : slopes.logit(at, j)));
    const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const terms = logits.map((logit) => Math.exp(logit - top));
    const sums = new Float64Array(views);
    terms.forEach((term, j) => {
      if (viewOf[j] !== view || classOf[j] !== own) sums[viewOf[j]!]! += term;
    });
    let positive = 0;
    let reciprocals = 0;
    const divisors = sums.map((cross) => cross + sums[view]!);
    for (let b = 0; b < views; ++b) if (b !== view) reciprocals += 1 / divisors[b]!;
    terms.forEach((term, j) => {
      if (j === at.anchor) return;
      const p = term * (viewOf[j] === view ? reciprocals : 1 / divisors[viewOf[j]!]!);
      if (classOf[j] === own) positive += p;
      else weights[j] = p;
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
 * Which negatives pull, and how hard, under a geometry: the gradient of the contrastive loss is a sum of triplets
 * whose weights are the softmax probabilities of the negatives. In float64, exact arithmetic.
 *
 * @param options - as for `hybridContrastiveLoss`; `anchors` bounds the A x N results
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const euclidean = matrix(new Float32Array([1, 0, 0.6, 0.8, -1, 0, -0.6, -0.8]), 4, 2); // two classes, two views
 * const { q, rank, effective } = await negativeWeights({ euclidean, tied: true, views: 2, c: 0.1, anchors: [0] });
 * rank; // => new Int32Array([-1, -1, 1, 0])
 */
export const negativeWeights: NegativeWeightsFunction = Object.assign(
  (options: NegativeOptions & AsyncOptions) => runSteps(name, options?.signal, () => weigh(options)),
  { sync: (options: NegativeOptions) => runStepsSync(name, weigh(options)) },
);
