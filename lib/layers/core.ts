import { type Compat, checkOptions, choice, guards, positive } from '../check.ts';
import { coded } from '../errors.ts';
import {
  allocateArray,
  asMatrix,
  checkAttached,
  checkSameType,
  checkShape,
  type DenseMatrix,
  type Matrix,
  matrix,
  type Reals,
  type Rows,
} from '../matrix.ts';
import { type LayerCallOptions, type LayerGradients, type LayerPass, Tape, Value } from './tape.ts';

/** Options of every layer. */
export interface LayerOptions {
  /** The ball's curvature is -c, c > 0. */
  c: number;
  /** Element type of inputs, outputs and parameters other than `c`; default `float32`. */
  type?: 'float32' | 'float64' | undefined;
  /** `hypmix`: the guards of the published code. */
  compat?: Compat | undefined;
}

/** A parameter of a layer. Optimizers change `value` in place. */
export interface LayerParameter<T extends Reals = Reals> {
  readonly name: string;
  readonly value: DenseMatrix<T>;
  /** `vector`: for a Euclidean optimizer, such as {@link ArrayAdamW}; `ball`: for a Riemannian optimizer. */
  readonly space: 'vector' | 'ball';
}

/** Maximum number of elements of a parameter (2 GiB in float32), which is filled synchronously. */
const mostElements = 2 ** 29;

type ArrayKind = Float32ArrayConstructor | Float64ArrayConstructor;

const callOptions: ReadonlySet<string> = new Set(['threads', 'device', 'signal']);

/**
 * The base of all layers: parameters, c, and a forward pass that returns its backward pass. Intermediate results are
 * float64, because `1 - c|x|^2` is inaccurate for float32 points near the boundary of the ball.
 */
export class LayerCore {
  readonly name: string;
  readonly compat: Compat | undefined;
  readonly initialC: number;
  readonly #curvature: DenseMatrix | undefined;
  readonly #kind: ArrayKind;
  readonly #parameters = new Map<string, LayerParameter>();

  constructor(name: string, { c, type, compat }: LayerOptions, learnC = false) {
    this.name = name;
    this.initialC = positive(name, 'c', c, ' (the curvature is -c)');
    guards(name, compat);
    this.compat = compat;
    const index = choice(name, 'type', type ?? 'float32', ['float32', 'float64']);
    this.#kind = [Float32Array, Float64Array][index] as ArrayKind;
    if (learnC) this.#curvature = this.parameter('c', matrix(Float64Array.of(c), 1, 1)).value;
  }

  get c(): number {
    if (this.#curvature === undefined) return this.initialC;
    checkAttached(this.name, 'c', this.#curvature);
    return this.#curvature.data[0]!;
  }

  parameters(): readonly LayerParameter[] {
    return [...this.#parameters.values()];
  }

  /** Returns the value of a parameter, by its name. */
  valueOf(name: string): DenseMatrix {
    return this.#parameters.get(name)!.value;
  }

  parameter(name: string, value: DenseMatrix, space: LayerParameter['space'] = 'vector'): LayerParameter {
    const made = { name, value, space };
    this.#parameters.set(name, made);
    return made;
  }

  /**
   * Returns a matrix of zeros or, if `fanIn` is given, of uniform random numbers in [-1, 1) / sqrt(fanIn), as in the
   * published code.
   */
  rows(rows: number, cols: number, fanIn?: number, next: () => number = () => 0): DenseMatrix {
    if (rows * cols > mostElements) {
      const message = `[${this.name}] options: expected parameters of at most 2^29 elements, got ${rows} x ${cols}. Use smaller sizes.`;
      throw coded('ERR_HOROBALL_MEMORY', message, RangeError);
    }
    const data = allocateArray<Reals>(this.name, this.#kind, rows * cols);
    if (fanIn !== undefined)
      for (let i = 0; i < data.length; i++) data[i] = (2 * next() - 1) / Math.sqrt(fanIn);
    return matrix(data, rows, cols);
  }

  /** Checks the inputs, computes the output by `work` on a {@link Tape}, and returns it with its backward pass. */
  async pass<T extends Reals>(
    inputs: readonly (readonly [argument: string, rows: Rows<T>, cols: number | undefined])[],
    given: LayerCallOptions | undefined,
    work: (tape: Tape, inputs: readonly Value[], of: (name: string) => Value) => Promise<Value>,
  ): Promise<LayerPass<T>> {
    const name = `${this.name}.forward`;
    const { threads, device, signal } = checkOptions(name, given, 'options', callOptions);
    const type = matrix(new this.#kind(1), 1, 1);
    const values = inputs.map(([argument, rows, cols]) => {
      const x = asMatrix(name, argument, rows);
      checkSameType(name, argument, type as unknown as Matrix<T>, x);
      checkShape(name, argument, x, x.rows, cols ?? x.cols);
      return new Value(x);
    });
    const tape = new Tape({ c: this.c, compat: this.compat, threads, device, signal });
    // Copied before the first `await`, so that an optimizer step during the pass does not change the values in use.
    const used = new Map<string, Value>();
    for (const [parameter, { value }] of this.#parameters) {
      if (value === this.#curvature) continue;
      checkAttached(name, parameter, value);
      used.set(parameter, new Value(value));
    }
    const of = (parameter: string): Value => used.get(parameter)!;
    const out = await work(tape, values, of);
    const narrow = ({ data, rows, cols }: Matrix): DenseMatrix<T> =>
      matrix((this.#kind === Float64Array ? data : Float32Array.from(data)) as T, rows, cols);
    const gradients = (): LayerGradients<T> => {
      const parameters = new Map([...used].map(([key, { gradient }]) => [key, narrow(gradient)]));
      if (this.#curvature !== undefined)
        parameters.set('c', matrix(Float64Array.of(tape.gradC), 1, 1) as DenseMatrix as DenseMatrix<T>);
      return { inputs: values.map(({ gradient }) => narrow(gradient)), parameters, c: tape.gradC };
    };
    return {
      output: narrow(out.matrix),
      backward: async (cotangent) => {
        const operation = `${this.name}.backward`;
        const given = asMatrix(operation, 'cotangent', cotangent);
        checkSameType(operation, 'cotangent', type as unknown as Matrix<T>, given);
        checkShape(operation, 'cotangent', given, out.matrix.rows, out.matrix.cols);
        await tape.run(operation, out, given);
        return gradients();
      },
    };
  }
}
