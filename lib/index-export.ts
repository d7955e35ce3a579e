import { type AsyncOptions, type CallOptions, type Prepared, runAsync, runSync } from './call.ts';
import { checkOptions, choice } from './check.ts';
import { asMatrix, type Matrix, type Reals, type Rows } from './matrix.ts';
import { prepareAs } from './operation.ts';

/** Options of {@link toInnerProductIndex}. */
export interface IndexOptions extends CallOptions {
  /** The curvature is -c, c > 0. */
  c: number;
  /** Whether the rows will ask or be stored. */
  role: 'query' | 'gallery';
}

const name = 'toInnerProductIndex';

/** The type of {@link toInnerProductIndex}. */
export interface ToInnerProductIndex {
  <T extends Reals>(x: Rows<T>, options: IndexOptions & AsyncOptions): Promise<Matrix<T>>;
  sync<T extends Reals>(x: Rows<T>, options: IndexOptions): Matrix<T>;
}

/** The lift under this function's own name, and the time coordinate's sign: negated where the rows will ask. */
function prepare<T extends Reals>(x: Rows<T>, given: IndexOptions): Prepared<Matrix<T>> {
  const { role, c, threads, device } = checkOptions(name, given);
  const asks = choice(name, 'role', role, ['query', 'gallery']) === 0;
  const lift = prepareAs<T>(name, 'poincareToLorentz', [asMatrix(name, 'x', x), { c, threads, device }]);
  return { start: lift.start, finish: () => (asks ? negated(lift.finish()) : lift.finish()) };
}

function negated<T extends Reals>(lifted: Matrix<T>): Matrix<T> {
  const { data, cols } = lifted;
  for (let at = 0; at < data.length; at += cols) data[at]! *= -1;
  return lifted;
}

/**
 * Vectors for an ordinary maximum-inner-product index (faiss, usearch, pgvector): a ball point (n x d) becomes
 * its hyperboloid coordinates (n x (d + 1), time first), with the time negated for queries. The inner product of
 * a query and a gallery vector is then `-cosh(sqrt(c) dist) / c`: the larger, the nearer, so exact search ranks
 * as the hyperbolic distance does, up to the digits of the type where points are near one another.
 * `dist = arcosh(-c product) / sqrt(c)` gives the distance back; rescore with `topK` where digits matter. A graph index
 * (HNSW) compares stored rows with each other and finds little with these: see `lib/guide/embedding.md`.
 *
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const gallery = matrix(new Float32Array([0, 0, 0.5, 0]), 2, 2);
 * const stored = await toInnerProductIndex(gallery, { c: 1, role: 'gallery' });
 * const asking = await toInnerProductIndex(new Float32Array([0, 0]), { c: 1, role: 'query' });
 * stored.cols; // => 3
 * asking.data[0] * stored.data[0]; // => -1
 */
export const toInnerProductIndex: ToInnerProductIndex = Object.assign(
  <T extends Reals>(x: Rows<T>, options: IndexOptions & AsyncOptions) =>
    runAsync(name, options?.signal, () => prepare(x, options)),
  { sync: <T extends Reals>(x: Rows<T>, options: IndexOptions) => runSync(name, prepare(x, options)) },
);
