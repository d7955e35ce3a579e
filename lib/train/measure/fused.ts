/** Search and retrieval metrics under the hybrid logit, cosine / tauE - lambda d_c / tauH, of two embeddings per image. */
import { type AsyncOptions, type CallOptions, pause, runSteps, type Steps } from '../../call/run.ts';
import type { Compat } from '../../check.ts';
import { shapeError } from '../../errors.ts';
import { type Matrix, rowsAt } from '../../matrix.ts';
import { type MetricOptions, preparePairwise } from '../../pairwise.ts';
import { measureBy, type RetrievalMetrics, type RetrievalParameters, type Search } from '../../retrieval.ts';
import type { Labels } from '../../views.ts';

type Floats = Matrix<Float32Array>;

const name = 'fusedRetrievalMetrics';

/** Options of `fusedRetrievalMetrics`. */
export interface FusedOptions extends CallOptions, RetrievalParameters {
  /** Temperatures of the cosine and the distance, and the weight of the distance. */
  tauE: number;
  tauH: number;
  lambda: number;
  /** The ball's curvature is -c. */
  c: number;
  /** `hypmix`: computes the distance with the numerical guards of the published code. */
  compat?: Compat | undefined;
}

/** Queries and gallery rows per tile of scores; a tile takes 34 MB and a few milliseconds. */
const tile = { queries: 512, gallery: 4096 };

/**
 * Computes `retrievalMetrics` under the fused score. Row i of both embeddings belongs to the same image; they may come from
 * different networks. Scores are computed tile by tile on the requested device; ties go to the lower index.
 *
 * @param euclidean - n x d rows, compared by cosine
 * @param hyperbolic - n x D points of the ball of curvature -c
 * @throws `ERR_HOROBALL_SHAPE` if the numbers of rows differ
 */
export function fusedRetrievalMetrics(
  euclidean: Floats,
  hyperbolic: Floats,
  labels: Labels,
  options: FusedOptions & AsyncOptions,
): Promise<RetrievalMetrics> {
  return runSteps(name, options.signal, () => {
    if (hyperbolic.rows !== euclidean.rows) {
      const expected = `${euclidean.rows} rows, as many as euclidean`;
      throw shapeError(name, 'hyperbolic', expected, String(hyperbolic.rows));
    }
    return measureBy(euclidean.rows, labels, options, (gallery) =>
      fusedSearch(euclidean, hyperbolic, gallery, options),
    );
  });
}

function fusedSearch(
  euclidean: Floats,
  hyperbolic: Floats,
  gallery: Int32Array,
  options: FusedOptions,
): Search {
  return function* (query, exclude, k) {
    const found = new Int32Array(query.length * k).fill(-1);
    for (let first = 0; first < query.length; first += tile.queries) {
      const block = query.subarray(first, first + tile.queries);
      const best = Array.from(block, () => new Nearest(k));
      for (let begin = 0; begin < gallery.length; begin += tile.gallery) {
        const part = gallery.subarray(begin, begin + tile.gallery);
        const away = yield* fusedDistances(euclidean, hyperbolic, block, part, options);
        best.forEach((list, i) => {
          const excluded = exclude[first + i]! - begin;
          for (let j = 0; j < part.length; ++j) {
            const distance = away[i * part.length + j]!;
            if (distance < list.worst && j !== excluded) list.add(distance, begin + j);
          }
        });
        yield pause;
      }
      best.forEach((list, i) => {
        found.set(list.sorted(), (first + i) * k);
      });
    }
    return found;
  };
}

/** Computes 1 / tauE minus the hybrid logit of each query (row) and gallery image (column), a distance for the ranking. */
function* fusedDistances(
  euclidean: Floats,
  hyperbolic: Floats,
  query: Int32Array,
  gallery: Int32Array,
  { tauE, tauH, lambda, c, compat, threads, device }: FusedOptions,
): Steps<Float64Array> {
  const how = { threads, device };
  const ball = { metric: 'poincare', c, compat, ...how } as const;
  const cosine = yield* distances(euclidean, query, gallery, { metric: 'cosine', ...how });
  const geodesic = yield* distances(hyperbolic, query, gallery, ball);
  const weight = lambda / tauH;
  const away = new Float64Array(cosine.length);
  for (let at = 0; at < away.length; ++at) {
    // With weight 0, an infinite distance would give NaN.
    away[at] = cosine[at]! / tauE + (weight === 0 ? 0 : weight * geodesic[at]!);
  }
  return away;
}

function* distances(
  rows: Floats,
  query: Int32Array,
  gallery: Int32Array,
  options: MetricOptions & CallOptions,
): Steps<Float32Array> {
  const [x, y] = [rowsAt(name, rows, query), rowsAt(name, rows, gallery)];
  const step = preparePairwise(name, x, y, options);
  yield step;
  return step.finish().data;
}

/**
 * Collects the k nearest candidates. The farther half is dropped only when 2 k are collected, so that the amortized cost of
 * an addition grows with log k instead of k.
 */
class Nearest {
  /** Candidates at this distance or farther can be skipped, because ties go to the earlier candidate. */
  worst = Infinity;
  readonly #k: number;
  readonly #away: Float64Array;
  readonly #index: Int32Array;
  #count = 0;

  constructor(k: number) {
    this.#k = k;
    this.#away = new Float64Array(2 * k);
    this.#index = new Int32Array(2 * k);
  }

  add(away: number, index: number): void {
    this.#away[this.#count] = away;
    this.#index[this.#count++] = index;
    if (this.#count === 2 * this.#k) this.#halve();
  }

  /** Returns the gallery positions of the k nearest candidates, nearest first. */
  sorted(): Int32Array {
    return this.#order().map((at) => this.#index[at]!);
  }

  #halve(): void {
    const order = this.#order();
    const away = Float64Array.from(order, (at) => this.#away[at]!);
    const index = order.map((at) => this.#index[at]!);
    this.#away.set(away);
    this.#index.set(index);
    this.#count = order.length;
    this.worst = this.#away[order.length - 1]!;
  }

  #order(): Int32Array {
    const order = Int32Array.from({ length: this.#count }, (_, i) => i);
    order.sort((a, b) => this.#away[a]! - this.#away[b]! || this.#index[a]! - this.#index[b]!);
    return order.subarray(0, this.#k);
  }
}
