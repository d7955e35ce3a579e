import { integer } from '../check.ts';
import { shapeError } from '../errors.ts';
import { concatenated } from '../matrix.ts';
import { rowsByClass } from '../views.ts';
import { native } from './native.ts';
import { type AnyTensor, Tensor } from './tensor.ts';

/** What the loss reads. */
export interface LossInputs {
  readonly euclidean: Tensor;
  readonly hyperbolic: Tensor;
}

/** A batch with remembered rows below it. */
export interface Extended extends LossInputs, Disposable {
  labels: Int32Array;
  /** Classes of all rows over those of the batch: by this the loss, a mean over classes, is too small. */
  factor: number;
}

interface Remembered {
  euclidean: Float32Array;
  hyperbolic: Float32Array;
}

/**
 * Embeddings of classes that earlier batches showed, to be the negatives of this one (cross-batch memory, Wang et al.
 * 2020, arXiv 1912.06798). They stand beside the batch as further classes of the same loss, so the same kernel serves
 * and its gradient reaches the batch's rows only; a class that is in the batch is left out.
 */
export class CrossBatchMemory {
  readonly #most: number;
  readonly #views: number;
  readonly #dim: number;
  /** By class, the oldest first. */
  readonly #classes = new Map<number, Remembered>();

  /** @param options - `classes`: how many are remembered; `views`: rows of each; `dim`: width of a row */
  constructor({ classes, views, dim }: { classes: number; views: number; dim: number }) {
    integer('crossBatchMemory', 'classes', classes, 1, Number.MAX_SAFE_INTEGER);
    this.#most = classes;
    this.#views = views;
    this.#dim = dim;
  }

  /** Classes that are remembered. */
  get size(): number {
    return this.#classes.size;
  }

  /** Queues the batch with all that is remembered of other classes below it. */
  extend(batch: LossInputs, labels: Int32Array): Extended {
    const fresh = new Set(labels);
    const others = [...this.#classes].filter(([label]) => !fresh.has(label));
    const below = (of: keyof Remembered): Tensor => {
      const rows = concatenated(others.map(([, remembered]) => remembered[of]));
      const count = labels.length + others.length * this.#views;
      return new Tensor(native().appendRows(batch[of].handle, rows), [count, this.#dim]);
    };
    const [euclidean, hyperbolic] = [below('euclidean'), below('hyperbolic')];
    return {
      euclidean,
      hyperbolic,
      labels: Int32Array.from([...labels, ...others.flatMap(([label]) => Array(this.#views).fill(label))]),
      factor: (fresh.size + others.length) / fresh.size,
      [Symbol.dispose]: () => {
        euclidean.dispose();
        hyperbolic.dispose();
      },
    };
  }

  /** Takes in a batch's rows, each class `views` times; the classes seen longest ago make room. */
  remember(euclidean: Float32Array, hyperbolic: Float32Array, labels: Int32Array): void {
    const chosen = (from: Float32Array, of: number[]): Float32Array =>
      concatenated(of.map((row) => from.subarray(row * this.#dim, (row + 1) * this.#dim)));
    for (const [label, of] of rowsByClass(labels)) {
      this.#classes.delete(label);
      this.#classes.set(label, { euclidean: chosen(euclidean, of), hyperbolic: chosen(hyperbolic, of) });
    }
    for (const label of this.#classes.keys()) {
      if (this.#classes.size <= this.#most) break;
      this.#classes.delete(label);
    }
  }

  /** `labels`, and `euclidean` and `hyperbolic` (classes x views x dim), the oldest class first. */
  state(): Map<string, AnyTensor> {
    const all = [...this.#classes.values()];
    const shape = [all.length, this.#views, this.#dim];
    return new Map<string, AnyTensor>([
      ['labels', { shape: [all.length], data: Int32Array.from(this.#classes.keys()) }],
      ['euclidean', { shape, data: concatenated(all.map((each) => each.euclidean)) }],
      ['hyperbolic', { shape, data: concatenated(all.map((each) => each.hyperbolic)) }],
    ]);
  }

  /** @throws RangeError `ERR_HOROBALL_SHAPE` where the state is of another shape */
  loadState(state: ReadonlyMap<string, AnyTensor>): void {
    const labels = state.get('labels')?.data ?? new Int32Array(0);
    const length = this.#views * this.#dim;
    const floats = (of: keyof Remembered): Float32Array => {
      const data = state.get(of)?.data;
      if (data instanceof Float32Array && data.length === labels.length * length) return data;
      const expected = `${labels.length} x ${this.#views} x ${this.#dim} values`;
      throw shapeError('crossBatchMemory.loadState', of, expected, data?.length ?? 0);
    };
    const [euclidean, hyperbolic] = [floats('euclidean'), floats('hyperbolic')];
    this.#classes.clear();
    for (const [i, label] of Array.from(labels, Number).entries()) {
      const part = (of: Float32Array): Float32Array => of.slice(i * length, (i + 1) * length);
      this.#classes.set(label, { euclidean: part(euclidean), hyperbolic: part(hyperbolic) });
    }
  }
}
