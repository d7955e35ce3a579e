import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { callNames, checkOptions, choice } from './check.ts';
import { asMatrix, type DenseMatrix, type Matrix, type Reals, type Rows } from './matrix.ts';
import { prepareAs } from './row/operation.ts';

/** Options of {@link toInnerProductIndex}. */
export interface IndexOptions extends CallOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** Whether the rows are used as queries or stored in the gallery. */
  role: 'query' | 'gallery';
}

const name = 'toInnerProductIndex';
const known: ReadonlySet<string> = new Set(['c', 'role', ...callNames]);

/** The type of {@link toInnerProductIndex}. */
export interface ToInnerProductIndex {
  <T extends Reals>(x: Rows<T>, options: IndexOptions & AsyncOptions): Promise<DenseMatrix<T>>;
  sync<T extends Reals>(x: Rows<T>, options: IndexOptions): DenseMatrix<T>;
}

/** Maps ball points to the hyperboloid and negates the time coordinate of queries. */
function* lift<T extends Reals>(x: Rows<T>, given: IndexOptions): Steps<DenseMatrix<T>> {
  const { role, c, threads, device } = checkOptions(name, given, 'options', known);
  const isQuery = choice(name, 'role', role, ['query', 'gallery']) === 0;
  const call = prepareAs<T>(name, 'poincareToLorentz', [asMatrix(name, 'x', x), { c, threads, device }]);
  yield call;
  const lifted = call.finish();
  if (isQuery) yield* negateFirst(lifted);
  return lifted;
}

/** Negates the first column. */
function* negateFirst({ data, rows, cols }: Matrix): Steps<void> {
  yield* inSlices(rows, (begin, end) => {
    for (let row = begin; row < end; ++row) data[row * cols]! *= -1;
  });
}

/**
 * Returns vectors for a maximum-inner-product index (faiss, usearch, pgvector): a ball point (n x d) becomes
 * its hyperboloid coordinates (n x (d + 1), time first), with the time negated for queries. The inner product of
 * a query and a gallery vector is then `-cosh(sqrt(c) dist) / c`: larger means nearer, so exact search ranks
 * like the hyperbolic distance, up to the precision of the element type for close points.
 * `dist = arcosh(-c product) / sqrt(c)` recovers the distance; rerank with `topK` if precision matters. A graph index
 * (HNSW) compares stored rows with each other and has poor recall on these vectors: see `lib/guide/embedding.md`.
 *
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const gallery = matrix(new Float32Array([0, 0, 0.5, 0]), 2, 2);
 * const stored = await toInnerProductIndex(gallery, { c: 1, role: 'gallery' });
 * const query = await toInnerProductIndex(new Float32Array([0, 0]), { c: 1, role: 'query' });
 * stored.cols; // => 3
 * query.data[0] * stored.data[0]; // => -1
 */
export const toInnerProductIndex: ToInnerProductIndex = Object.assign(
  <T extends Reals>(x: Rows<T>, options: IndexOptions & AsyncOptions) =>
    runSteps(name, options?.signal, () => lift(x, options)),
  {
    sync: <T extends Reals>(x: Rows<T>, options: IndexOptions) =>
      runStepsSync(name, lift(x, options), options?.signal),
  },
);
