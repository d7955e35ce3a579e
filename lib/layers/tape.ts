import type { AsyncOptions, CallOptions } from '../call/run.ts';
import { coded } from '../errors.ts';
import { type DenseMatrix, type Matrix, matrix, type Reals, type Rows } from '../matrix.ts';

/** Options of a layer's forward pass, which also apply to its backward pass. */
export interface LayerCallOptions extends CallOptions, AsyncOptions {}

/** The gradients of `sum(cotangent * output)` of a forward pass. */
export interface LayerGradients<T extends Reals> {
  /** One gradient per input, in the order of the arguments. */
  readonly inputs: readonly DenseMatrix<T>[];
  /** One gradient per parameter, by its name. */
  readonly parameters: ReadonlyMap<string, DenseMatrix<T>>;
  /** Gradient with respect to c, even if the layer does not train it. */
  readonly c: number;
}

/** The result of a forward pass. It holds the state for its backward pass, so passes of the same layer are independent. */
export interface LayerPass<T extends Reals> {
  readonly output: DenseMatrix<T>;
  /**
   * Computes all gradients. Can be called only once per pass.
   * @param cotangent - the gradient of a loss with respect to `output`, with the same shape
   */
  backward(cotangent: Rows<T>): Promise<LayerGradients<T>>;
}

/** A float64 copy of a matrix on the tape, and the sum of its gradients. */
export class Value {
  readonly matrix: DenseMatrix<Float64Array>;
  readonly gradient: DenseMatrix<Float64Array>;

  constructor({ data, rows, cols }: Matrix) {
    this.matrix = matrix(Float64Array.from(data), rows, cols);
    this.gradient = matrix(new Float64Array(data.length), rows, cols);
  }

  add({ data: more }: Matrix): void {
    const { data } = this.gradient;
    for (let i = 0; i < data.length; i++) data[i]! += more[i]!;
  }
}

/** A row-wise operation, with the types of its arguments erased. */
interface Recorded {
  (...args: unknown[]): Promise<Matrix>;
  readonly vjp: (...args: unknown[]) => Promise<readonly Matrix[]>;
}

/** The operations of one forward pass, which the backward pass visits in reverse order. */
export class Tape {
  /** The gradient with respect to c; complete after the backward pass. */
  gradC = 0;
  readonly #shared: Readonly<Record<string, unknown>>;
  #steps: (() => void | Promise<void>)[] | undefined = [];

  /** @param shared - options of every operation, including c */
  constructor(shared: Readonly<Record<string, unknown>>) {
    this.#shared = shared;
  }

  /**
   * Computes a row-wise operation and records it.
   * @param overrides - options of this operation, which override the shared ones; a c given here is a constant
   */
  async apply(
    operation: object,
    inputs: readonly Value[],
    overrides: Readonly<Record<string, unknown>> = {},
  ): Promise<Value> {
    const of = operation as Recorded;
    const options = { ...this.#shared, ...overrides };
    const given = inputs.map(({ matrix }) => matrix);
    const out = new Value(await of(...given, options));
    this.record(async () => {
      const gradC = new Float64Array(1);
      const gradients = await of.vjp(...given, out.gradient, { ...options, gradC });
      for (const [i, input] of inputs.entries()) input.add(gradients[i]!);
      if (overrides['c'] === undefined) this.gradC += gradC[0]!;
    });
    return out;
  }

  /** Adds a step of the backward pass. */
  record(step: () => void | Promise<void>): void {
    this.#steps?.push(step);
  }

  /**
   * Runs the backward pass from the gradient of `out`.
   *
   * @throws `ERR_HOROBALL_NO_GRAPH` for a second call
   */
  async run(operation: string, out: Value, cotangent: Matrix): Promise<void> {
    const steps = this.#steps;
    if (steps === undefined) {
      const message = `[${operation}] this: expected one backward call per forward pass, got a second. Run forward again.`;
      throw coded('ERR_HOROBALL_NO_GRAPH', message);
    }
    this.#steps = undefined;
    out.add(cotangent);
    for (const step of steps.reverse()) await step();
  }
}
