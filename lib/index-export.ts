import type { AsyncOptions, CallOptions } from './call.ts';
import { choice } from './check.ts';
import { asMatrix, type Matrix, type Reals, type Rows } from './matrix.ts';
import { poincareToLorentz } from './ops.ts';

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

/** The role's sign of the time coordinate, checked before any work. */
function timeSign(options: IndexOptions): number {
  return choice(name, 'role', options?.role, ['query', 'gallery']) === 0 ? -1 : 1;
}

function signed<T extends Reals>(lifted: Matrix<T>, sign: number): Matrix<T> {
  const { data, cols } = lifted;
  for (let at = 0; sign < 0 && at < data.length; at += cols) data[at]! *= sign;
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
  async <T extends Reals>(x: Rows<T>, options: IndexOptions & AsyncOptions) => {
    const sign = timeSign(options);
    const { c, threads, device, signal } = options;
    return signed(await poincareToLorentz(asMatrix(name, 'x', x), { c, threads, device, signal }), sign);
  },
  {
    sync: <T extends Reals>(x: Rows<T>, options: IndexOptions) => {
      const sign = timeSign(options);
      const { c, threads, device } = options;
      return signed(poincareToLorentz.sync(asMatrix(name, 'x', x), { c, threads, device }), sign);
    },
  },
);
