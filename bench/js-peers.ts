// Alternatives to horoball in a Node program: plain loops, simsimd per pair, tfjs (wasm), usearch's exact search. The
// packages are optional: `npm run bench:peers` installs pinned versions in bench/peers; `--js DIR` names another folder
// whose node_modules has them.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Matrix } from '../lib/index.ts';

type Distance = (a: Float32Array, b: Float32Array) => number;

/** The functions used from each package. */
interface Simsimd {
  sqeuclidean: Distance;
}

interface Usearch {
  MetricKind: { L2sq: unknown };
  exactSearch(
    dataset: Float32Array,
    queries: Float32Array,
    dim: number,
    k: number,
    metric: unknown,
    threads: number,
  ): { keys: BigUint64Array };
}

interface Tensor {
  square(): Tensor;
  sum(axis: number, keepDims: boolean): Tensor;
  mul(by: Tensor | number): Tensor;
  div(by: Tensor | number): Tensor;
  add(to: Tensor | number): Tensor;
  sub(from: Tensor | number): Tensor;
  transpose(): Tensor;
  maximum(low: number): Tensor;
  sqrt(): Tensor;
  log(): Tensor;
  dataSync(): Float32Array;
  dispose(): void;
}

interface Tfjs {
  tidy(run: () => Tensor): Tensor;
  tensor2d(data: Float32Array, shape: readonly [number, number]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
  setBackend(name: string): Promise<boolean>;
}

/** Each package, or the reason why it is not available. */
export interface JsPeers {
  readonly simsimd: Simsimd | string;
  readonly usearch: Usearch | string;
  readonly tfjs: Tfjs | string;
}

/** No packages, for processes that only need horoball's own sides. */
export const noJsPeers: JsPeers = { simsimd: 'not loaded', usearch: 'not loaded', tfjs: 'not loaded' };

/** Loads the packages that are installed in a folder. */
export async function loadJsPeers(folder: string): Promise<JsPeers> {
  const require = createRequire(pathToFileURL(join(folder, 'package.json')));
  const load = <P>(name: string): P | string => {
    try {
      return require(name) as P;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === 'MODULE_NOT_FOUND' ? `${name} is not installed` : message.split('\n')[0]!;
    }
  };
  const backend = load<object>('@tensorflow/tfjs-backend-wasm');
  const tfjs = typeof backend === 'string' ? backend : load<Tfjs>('@tensorflow/tfjs');
  if (typeof tfjs !== 'string') await tfjs.setBackend('wasm');
  return { simsimd: load('simsimd'), usearch: load('usearch'), tfjs };
}

/** Returns the package, or throws the reason, which is then shown in its row. */
export function needed<P extends object>(peer: P | string): P {
  if (typeof peer === 'string') throw new Error(peer);
  return peer;
}

/** Computes every Poincaré distance by straightforward nested loops. */
export function plainDistances(x: Matrix, y: Matrix, c: number, out: Float32Array): Float32Array {
  return eachPair(x, y, c, out, (a, b) => {
    let sum = 0;
    for (let k = 0; k < a.length; ++k) {
      const difference = a[k]! - b[k]!;
      sum += difference * difference;
    }
    return sum;
  });
}

/** Computes every Poincaré distance from simsimd's squared distance of each pair. */
export function simsimdDistances(
  simsimd: Simsimd,
  x: Matrix,
  y: Matrix,
  c: number,
  out: Float32Array,
): Float32Array {
  return eachPair(x, y, c, out, simsimd.sqeuclidean);
}

function eachPair(x: Matrix, y: Matrix, c: number, out: Float32Array, square: Distance): Float32Array {
  const [xs, ys] = [rowsOf(x), rowsOf(y)];
  const zero = new Float32Array(x.cols);
  const [as, bs] = [xs, ys].map((rows) => rows.map((row) => 1 - c * square(row, zero)));
  xs.forEach((a, i) => {
    for (let j = 0; j < ys.length; ++j) {
      const u = (c * square(a, ys[j]!)) / (as![i]! * bs![j]!);
      out[i * ys.length + j] = (2 / Math.sqrt(c)) * Math.asinh(Math.sqrt(u));
    }
  });
  return out;
}

function rowsOf({ data, rows, cols }: Matrix): Float32Array[] {
  return Array.from({ length: rows }, (_, i) => data.subarray(i * cols, (i + 1) * cols) as Float32Array);
}

/**
 * Computes every Poincaré distance in tfjs from a Gram matrix, and reads the result back. Written for speed: `matMul` is
 * slow if it transposes, the logarithm is faster than `asinh`, and `tidy` would visit every number of a returned array.
 */
export function tfjsDistances(tf: Tfjs, x: Matrix, y: Matrix, c: number): Float32Array {
  const distances = tf.tidy(() => {
    const [a, b] = [x, y].map(({ data, rows, cols }) => tf.tensor2d(data as Float32Array, [rows, cols]));
    const a2 = a!.square().sum(1, true);
    const b2 = b!.square().sum(1, true).transpose();
    const scaleA = a2.mul(-1).add(1 / c);
    const scaleB = b2.mul(-c).add(1);
    const u = tf
      .matMul(a!.mul(-2), b!.transpose(), false, false)
      .add(a2)
      .add(b2)
      .div(scaleA)
      .div(scaleB)
      .maximum(0);
    // arsinh(sqrt u) = log(sqrt u + sqrt(u + 1))
    return u
      .sqrt()
      .add(u.add(1).sqrt())
      .log()
      .mul(2 / Math.sqrt(c));
  });
  const data = distances.dataSync();
  distances.dispose();
  return data;
}

/** Searches exactly with usearch, by squared Euclidean distance, and returns the gallery row at each rank. */
export function usearchSearch(
  usearch: Usearch,
  queries: Matrix,
  gallery: Matrix,
  k: number,
  threads: number,
): BigUint64Array {
  const metric = usearch.MetricKind.L2sq;
  const [q, g] = [queries, gallery].map(({ data }) => data as Float32Array);
  return usearch.exactSearch(g!, q!, gallery.cols, k, metric, threads).keys;
}
