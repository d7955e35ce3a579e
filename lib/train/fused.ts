/** Search and recall by the hybrid logit itself: cosine / t_e - lam d_c / t_h, of two embeddings of each picture. */
import { type AsyncOptions, type CallOptions, pause, runSteps, type Steps } from '../call.ts';
import type { Compat } from '../check.ts';
import { shapeError } from '../errors.ts';
import type { Matrix } from '../matrix.ts';
import { preparePairwise } from '../pairwise.ts';
import { measureBy, type RetrievalMetrics, type RetrievalOptions, type Search } from '../retrieval.ts';
import type { Labels } from '../views.ts';

type Floats = Matrix<Float32Array>;

/** See {@link fusedRetrievalMetrics}. */
export interface FusedOptions
  extends CallOptions,
    Pick<RetrievalOptions, 'ks' | 'query' | 'gallery' | 'perQuery'> {
  /** Temperatures of the cosine and of the distance, and the distance's weight. */
  tauE: number;
  tauH: number;
  lambda: number;
  /** The ball's curvature is -c. */
  c: number;
  /** `hypmix`: the published distance. */
  compat?: Compat | undefined;
}

/** Gallery rows whose scores are there at a time. */
const tile = 4096;

/**
 * `retrievalMetrics` under the fused score. The two embeddings may come from two networks: row i of both is of one
 * picture. Scores are made tile by tile, on the device that the options name; ties go to the lower row.
 *
 * @param euclidean - n x d rows, compared by cosine
 * @param hyperbolic - n x D points of the ball of curvature -c
 * @throws `ERR_HOROBALL_SHAPE` where the rows do not pair up
 */
export function fusedRetrievalMetrics(
  euclidean: Floats,
  hyperbolic: Floats,
  labels: Labels,
  options: FusedOptions & AsyncOptions,
): Promise<RetrievalMetrics> {
  if (hyperbolic.rows !== euclidean.rows) {
    const expected = `${euclidean.rows} rows, as many as euclidean`;
    throw shapeError('fusedRetrievalMetrics', 'hyperbolic', expected, String(hyperbolic.rows));
  }
  return runSteps('fusedRetrievalMetrics', options.signal, () =>
    measureBy(euclidean.rows, labels, options, (gallery) =>
      fusedSearch(euclidean, hyperbolic, gallery, options),
    ),
  );
}

function fusedSearch(
  euclidean: Floats,
  hyperbolic: Floats,
  gallery: Int32Array,
  options: FusedOptions,
): Search {
  const { tauE, tauH, lambda, c, compat, threads, device } = options;
  const how = { threads, device };
  const weight = lambda / tauH;
  return function* (query, exclude, k) {
    const [e, h] = [rowsOf(euclidean, query), rowsOf(hyperbolic, query)];
    const best = Array.from(query, () => new Nearest(k));
    for (let begin = 0; begin < gallery.length; begin += tile) {
      const part = gallery.subarray(begin, begin + tile);
      const cosine = yield* distances(e, rowsOf(euclidean, part), { metric: 'cosine', ...how });
      const ball = { metric: 'poincare', c, compat, ...how } as const;
      const geodesic = yield* distances(h, rowsOf(hyperbolic, part), ball);
      for (let i = 0; i < query.length; ++i) {
        const from = i * part.length;
        const [list, own] = [best[i]!, exclude[i]! - begin];
        for (let j = 0; j < part.length; ++j) {
          // 1 / t_e less the score. Without weight a distance counts for nothing, an infinite one too.
          const away = cosine[from + j]! / tauE + (weight === 0 ? 0 : weight * geodesic[from + j]!);
          if (away < list.worst && j !== own) list.add(away, begin + j);
        }
      }
      yield pause;
    }
    const found = new Int32Array(query.length * k).fill(-1);
    best.forEach((list, i) => {
      found.set(list.sorted(), i * k);
    });
    return found;
  };
}

function* distances(
  x: Floats,
  y: Floats,
  options: Parameters<typeof preparePairwise>[3],
): Steps<Float32Array> {
  const step = preparePairwise('fusedRetrievalMetrics', x, y, options as object);
  yield step;
  return step.finish().data;
}

function rowsOf({ data, cols }: Floats, rows: Int32Array): Floats {
  const out = new Float32Array(rows.length * cols);
  rows.forEach((row, i) => {
    out.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
  });
  return { data: out, rows: rows.length, cols };
}

/**
 * The k nearest that were added, in rising order of place. Twice k are collected before the farther half goes, so that
 * an addition costs the same whatever k is.
 */
class Nearest {
  /** What is not nearer than this need not be added: of two equally far, the earlier stays. */
  worst = Infinity;
  readonly #k: number;
  readonly #away: Float64Array;
  readonly #place: Int32Array;
  #count = 0;

  constructor(k: number) {
    this.#k = k;
    this.#away = new Float64Array(2 * k);
    this.#place = new Int32Array(2 * k);
  }

  add(away: number, place: number): void {
    this.#away[this.#count] = away;
    this.#place[this.#count++] = place;
    if (this.#count === 2 * this.#k) this.#halve();
  }

  /** Places, nearest first. */
  sorted(): Int32Array {
    return this.#order().map((at) => this.#place[at]!);
  }

  #halve(): void {
    const order = this.#order();
    const away = Float64Array.from(order, (at) => this.#away[at]!);
    const place = order.map((at) => this.#place[at]!);
    this.#away.set(away);
    this.#place.set(place);
    this.#count = order.length;
    this.worst = this.#away[order.length - 1]!;
  }

  #order(): Int32Array {
    const order = Int32Array.from({ length: this.#count }, (_, i) => i);
    order.sort((a, b) => this.#away[a]! - this.#away[b]! || this.#place[a]! - this.#place[b]!);
    return order.subarray(0, this.#k);
  }
}
