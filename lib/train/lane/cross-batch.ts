import { checkMap, instance, integer, isTyped, readOptions } from '../../check.ts';
import { quoted, rangeError, shapeError } from '../../errors.ts';
import { checkUndetached } from '../../integers.ts';
import { concatenated, plain } from '../../matrix.ts';
import { rowsByClass } from '../../views.ts';
import { checkInputs, type LossInputs } from './inputs.ts';
import { native } from './native.ts';
import { Tensor } from './tensor.ts';
import type { AnyTensor } from './types.ts';

/** A batch, followed by rows of the memory. */
export interface Extended extends LossInputs, Disposable {
  /** The class of each row. */
  labels: Int32Array;
  /**
   * Factor for the loss: the number of classes, including those of the memory, divided by the number in the batch. The loss
   * is a mean over all classes; with this factor, its gradients have the scale of a mean over the classes of the batch.
   */
  factor: number;
}

interface ClassRows {
  euclidean: Float32Array;
  hyperbolic: Float32Array;
}

/**
 * Embeddings of classes from earlier batches, used as additional negatives (cross-batch memory, Wang et al. 2020, arXiv
 * 1912.06798). They are appended to the batch as additional classes, so the kernel of the loss is unchanged; only the
 * batch's rows receive a gradient. Classes that are in the batch are skipped.
 */
export class CrossBatchMemory {
  readonly #most: number;
  readonly #views: number;
  readonly #dim: number;
  /** The stored rows of each class, by label, oldest class first. */
  readonly #classes = new Map<number, ClassRows>();

  /**
   * @param options - `classes`: maximum number of stored classes; `views`: rows per class; `dim`: embedding dimension
   * @throws RangeError `ERR_HOROBALL_RANGE` for an option that is not an integer above 0
   */
  constructor(options: { classes: number; views: number; dim: number }) {
    const { classes, views, dim } = readOptions('crossBatchMemory', options, ['classes', 'views', 'dim']);
    for (const [name, value] of Object.entries({ classes, views, dim }))
      integer('crossBatchMemory', name, value, 1, Number.MAX_SAFE_INTEGER);
    this.#most = classes;
    this.#views = views;
    this.#dim = dim;
  }

  /** Number of stored classes. */
  get size(): number {
    return this.#classes.size;
  }

  /** Queues a copy of the batch, followed by the stored rows of other classes. */
  extend(batch: LossInputs, labels: Int32Array): Extended {
    const inputs = checkInputs('crossBatchMemory.extend', batch);
    if (inputs.dim !== this.#dim)
      throw shapeError(
        'crossBatchMemory.extend',
        'embeddings',
        `rows of dimension ${this.#dim}`,
        String(inputs.dim),
      );
    this.#checkLabels('crossBatchMemory.extend', labels, inputs.rows);
    const fresh = new Set(labels);
    const others = [...this.#classes].filter(([label]) => !fresh.has(label));
    const extended = (of: keyof ClassRows): Tensor => {
      const rows = concatenated(others.map(([, stored]) => stored[of]));
      const count = labels.length + others.length * this.#views;
      return new Tensor(native().appendRows(inputs[of].handle, rows), [count, this.#dim]);
    };
    const [euclidean, hyperbolic] = [extended('euclidean'), extended('hyperbolic')];
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

  /**
   * Stores the rows of a batch, `views` per class, and evicts the oldest classes if there are more than the maximum.
   * @throws RangeError `ERR_HOROBALL_SHAPE` for a wrong number of values, or a class with another number of rows
   */
  remember(euclidean: Float32Array, hyperbolic: Float32Array, labels: Int32Array): void {
    const operation = 'crossBatchMemory.remember';
    instance(operation, 'labels', labels, Int32Array);
    for (const [name, values] of Object.entries({ euclidean, hyperbolic }))
      if (instance(operation, name, values, Float32Array).length !== labels.length * this.#dim)
        throw shapeError(operation, name, `${labels.length} x ${this.#dim} values`, String(values.length));
    const chosen = (from: Float32Array, of: number[]): Float32Array =>
      concatenated(of.map((row) => plain(from).subarray(row * this.#dim, (row + 1) * this.#dim)));
    const classes = rowsByClass(labels);
    for (const [label, { length }] of classes)
      if (length !== this.#views)
        throw shapeError(
          operation,
          'labels',
          `${this.#views} rows per class`,
          `${length} for label ${label}`,
        );
    for (const [label, of] of classes) {
      this.#classes.delete(label);
      this.#classes.set(label, { euclidean: chosen(euclidean, of), hyperbolic: chosen(hyperbolic, of) });
    }
    for (const label of this.#classes.keys()) {
      if (this.#classes.size <= this.#most) break;
      this.#classes.delete(label);
    }
  }

  #checkLabels(operation: string, labels: Int32Array, rows: number): void {
    if (instance(operation, 'labels', labels, Int32Array).length !== rows)
      throw shapeError(operation, 'labels', `${rows} labels`, String(labels.length));
  }

  /** Returns the stored rows, oldest class first: `labels` (classes), `euclidean` and `hyperbolic` (classes x views x dim). */
  state(): Map<string, AnyTensor> {
    const all = [...this.#classes.values()];
    const shape = [all.length, this.#views, this.#dim];
    return new Map<string, AnyTensor>([
      ['labels', { shape: [all.length], data: Int32Array.from(this.#classes.keys()) }],
      ['euclidean', { shape, data: concatenated(all.map((each) => each.euclidean)) }],
      ['hyperbolic', { shape, data: concatenated(all.map((each) => each.hyperbolic)) }],
    ]);
  }

  /**
   * Replaces the stored rows with those of an earlier {@link CrossBatchMemory.state}.
   * @throws RangeError `ERR_HOROBALL_SHAPE` if its shape differs; `ERR_HOROBALL_RANGE` if it has more
   * than `classes` labels or repeats one
   */
  loadState(state: ReadonlyMap<string, AnyTensor>): void {
    const operation = 'crossBatchMemory.loadState';
    checkMap(operation, 'state', state);
    const given = state.get('labels')?.data ?? new Int32Array(0);
    const labels = instance(operation, 'labels', given, Int32Array);
    checkUndetached(operation, 'labels', labels);
    if (new Set(labels).size !== labels.length || labels.length > this.#most) {
      const expected = `at most ${this.#most} different classes`;
      throw rangeError(operation, 'labels', expected, shortList(labels));
    }
    const length = this.#views * this.#dim;
    const floats = (of: keyof ClassRows): Float32Array => {
      const data = state.get(of)?.data;
      if (isTyped(data, Float32Array) && data.length === labels.length * length) return data;
      const expected = `${labels.length} x ${this.#views} x ${this.#dim} values`;
      throw shapeError(operation, of, expected, quoted(data));
    };
    const [euclidean, hyperbolic] = [floats('euclidean'), floats('hyperbolic')];
    this.#classes.clear();
    for (const [i, label] of labels.entries()) {
      const part = (of: Float32Array): Float32Array => plain(of).slice(i * length, (i + 1) * length);
      this.#classes.set(label, { euclidean: part(euclidean), hyperbolic: part(hyperbolic) });
    }
  }
}

function shortList(labels: AnyTensor['data']): string {
  return labels.length > 8 ? `${labels.subarray(0, 8)},... (${labels.length})` : String(labels);
}
