import {
  type Matrix,
  type Metric,
  matrix,
  metricCard,
  type PairwiseOptions,
  pairwiseDistance,
  type Reals,
} from '../../lib/index.ts';
import { distances } from '../../test/oracle.ts';
import { nearby, reals, type Type } from '../inputs.ts';
import type { Labels } from '../results.ts';
import type { MatrixShape } from '../shapes.ts';
import type { OwnSide } from '../suite.ts';
import { corner } from './corner.ts';
import { asType } from './product.ts';

export type Cards = readonly Metric[];
/** Every metric card: the oracle's distances except the published one. */
export const metrics = Object.keys(distances).filter((name) => name !== 'hypmix') as Cards;

/** A side that the oracle can check. */
export interface Checked extends OwnSide {
  readonly x: Matrix;
  readonly y: Matrix;
  /** Gradients for a cotangent, if the side provides them. */
  gradients?(cotangent: Matrix): readonly Matrix[];
}

interface Points {
  readonly x: Matrix;
  readonly y: Matrix;
}

/** The sides of one pair of point sets. */
export class Sides {
  readonly #points: Points;
  readonly #c: number;
  readonly #threads: number;
  readonly #shape: MatrixShape;
  readonly #out: Partial<Record<Type, Matrix>> = {};
  readonly #weights: Partial<Record<Type, Matrix>> = {};
  /** Multiplications and additions of one matrix product. */
  readonly flops: number;

  constructor(shape: MatrixShape, points: Points, c: number, threads: number) {
    this.#shape = shape;
    this.#points = points;
    this.#c = c;
    this.#threads = threads;
    this.flops = 2 * shape.rows * shape.rows * shape.dim;
  }

  readonly labels = (over: Partial<Labels>): Labels => {
    const { name, rows, dim } = this.#shape;
    return {
      op: 'pairwiseDistance',
      shape: name,
      n: rows,
      m: rows,
      dim,
      views: 0,
      type: 'float32',
      geometry: 'poincare',
      heads: '',
      guards: 'clean',
      pass: 'forward',
      ...over,
    };
  };

  forward(metric: Metric, type: Type): Checked {
    const points = this.#of(metric, type);
    return this.#distances(nameOf(metric, type), points, this.#options(metric), { geometry: metric, type });
  }

  /** Like {@link forward}, but allocates a new result per call, as the peers do. */
  fresh(metric: Metric): Checked {
    const { x, y } = this.#points;
    const options = this.#options(metric);
    const over = { shape: `${this.#shape.name}, a new result per call`, geometry: metric };
    const labels = this.labels(over);
    return {
      name: `${metric}, new result`,
      labels,
      x,
      y,
      flops: this.flops,
      run: () => pairwiseDistance.sync(x, y, options),
      probe: () => corner(pairwiseDistance.sync(x, y, options)),
    };
  }

  /** Computes the distances within one set, for which half of the matrix product suffices. */
  withItself(): Checked {
    const { x } = this.#points;
    const over = { shape: `${this.#shape.name}, y = x` };
    const side = this.#distances('with itself', { x, y: x }, this.#options('poincare'), over);
    return { ...side, flops: (this.flops * (x.rows + 1)) / x.rows / 2 };
  }

  compat(): Checked {
    return this.#distances(
      'compat',
      this.#points,
      { ...this.#options('poincare'), compat: 'hypmix' },
      { guards: 'compat' },
    );
  }

  nearPairs(): Checked {
    const { x } = this.#points;
    const over = { shape: `${this.#shape.name}, every row near one` };
    return this.#distances('near pairs', { x, y: nearby(x, 1e-3, 5) }, this.#options('poincare'), over);
  }

  backward(metric: Metric, type: Type): Checked {
    const { x, y } = this.#of(metric, type);
    const cotangent = this.#ones(type);
    const options = this.#options(metric);
    const gradients = (along: Matrix) => pairwiseDistance.vjp.sync(x, y, along, options);
    return {
      name: `${nameOf(metric, type)} backward`,
      labels: this.labels({ geometry: metric, type, pass: 'backward' }),
      x,
      y,
      // Three matrix products: the inner products again, and the weights times the rows of each set.
      flops: 3 * this.flops,
      run: () => pairwiseDistance.vjp.sync(x, y, cotangent, options),
      gradients,
    };
  }

  /** Computes the distances, then their gradients, as autograd does. */
  both(metric: Metric, type: Type): Checked {
    const back = this.backward(metric, type);
    const { x, y } = back;
    const options = this.#options(metric);
    const cotangent = this.#ones(type);
    return {
      ...back,
      name: `${nameOf(metric, type)} both`,
      labels: this.labels({ geometry: metric, type, pass: 'both' }),
      flops: 4 * this.flops,
      run: () => {
        pairwiseDistance.sync(x, y, options);
        return back.run();
      },
      probe: () => back.gradients!(cotangent).map(size),
    };
  }

  #options(metric: Metric): PairwiseOptions & { c: number } {
    return { metric, c: this.#c, threads: this.#threads };
  }

  #of(metric: Metric, type: Type): Points {
    const points = [this.#points.x, this.#points.y];
    const typed = type === 'float32' ? points : points.map((rows) => asType(rows, type));
    const [x, y] =
      metricCard(metric).points === 'hyperboloid' ? typed.map((rows) => onSheet(rows, this.#c)) : typed;
    return { x: x!, y: y! };
  }

  #distances(name: string, { x, y }: Points, options: PairwiseOptions, over: Partial<Labels>): Checked {
    const out = this.#result(over.type === 'float64' ? 'float64' : 'float32');
    const all = { ...options, out };
    const other = x === y ? undefined : y;
    return {
      name,
      labels: this.labels({ ...over, dim: x.cols }),
      x,
      y,
      flops: this.flops,
      run: () => pairwiseDistance.sync(x, other, all),
      probe: () => corner(pairwiseDistance.sync(x, other, all)),
    };
  }

  /** Returns one result matrix for all sides of a type, because a float32 result of 4,096 rows takes 67 MB. */
  #result(type: Type): Matrix {
    const { rows } = this.#shape;
    this.#out[type] ??= matrix(reals(type, rows * rows), rows, rows);
    return this.#out[type];
  }

  #ones(type: Type): Matrix {
    const { rows } = this.#shape;
    this.#weights[type] ??= matrix(reals(type, rows * rows).fill(1), rows, rows);
    return this.#weights[type];
  }
}

function nameOf(metric: Metric, type: Type): string {
  return type === 'float32' ? metric : `${metric} ${type}`;
}

function size({ data }: Matrix): number {
  let sum = 0;
  for (const value of data) sum += value * value;
  return Math.sqrt(sum);
}

/** Converts points of the ball to hyperboloid coordinates, the time coordinate first. */
function onSheet({ data, rows, cols }: Matrix, c: number): Matrix {
  const out = reals(data instanceof Float64Array ? 'float64' : 'float32', rows * (cols + 1));
  for (let i = 0; i < rows; ++i) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const c2 = c * square(row);
    out[i * (cols + 1)] = (1 + c2) / (1 - c2) / Math.sqrt(c);
    for (let k = 0; k < cols; ++k) out[i * (cols + 1) + k + 1] = (2 * row[k]!) / (1 - c2);
  }
  return matrix(out, rows, cols + 1);
}

function square(row: Reals): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}
