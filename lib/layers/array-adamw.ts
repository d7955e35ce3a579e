import { atLeastZero, checkMap, checkOptions, integer, positive, share } from '../check.ts';
import { quoted, shapeError, typeError } from '../errors.ts';
import {
  asMatrix,
  checkAttached,
  checkKept,
  checkSameType,
  checkShape,
  isReals,
  type Matrix,
  type Reals,
} from '../matrix.ts';
import type { StateEntry } from '../riemannian.ts';
import type { LayerParameter } from './core.ts';

/** Options of {@link ArrayAdamW}. */
export interface ArrayAdamWOptions {
  /** Learning rate, >= 0. */
  lr: number;
  /** Decoupled weight decay, >= 0; default 0.01. */
  weightDecay?: number | undefined;
  /** Decay rates of the two moments; default (0.9, 0.999). */
  betas?: readonly [number, number] | undefined;
  /** Added to the square root of the second moment, above 0; default 1e-8. */
  eps?: number | undefined;
}

interface Slot {
  readonly parameter: LayerParameter;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

const known: ReadonlySet<string> = new Set(['lr', 'weightDecay', 'betas', 'eps']);

/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) for the parameters of layers, with moments in float64. Does not
 * need libtorch. For parameters in the ball, use `RiemannianAdam`.
 *
 * @example
 * const layer = new HypLinear({ inputs: 2, outputs: 1, c: 1 });
 * const optimizer = new ArrayAdamW(layer.parameters(), { lr: 1e-3 });
 * const { output, backward } = await layer.forward(new Float32Array([0.5, 0]));
 * optimizer.step((await backward(output)).parameters);
 */
export class ArrayAdamW {
  readonly #slots: readonly Slot[];
  readonly #options: { lr: number; weightDecay: number; betas: readonly [number, number]; eps: number };
  #steps = 0;

  /**
   * @param parameters - with unique names, in the space `vector`
   * @throws TypeError or RangeError with a code for an invalid argument
   */
  constructor(parameters: readonly LayerParameter[], options: ArrayAdamWOptions) {
    const name = 'arrayAdamW';
    const given = checkOptions(name, options, 'options', known);
    const { lr, weightDecay = 0.01, betas = [0.9, 0.999], eps = 1e-8 } = given;
    if (!Array.isArray(betas) || betas.length !== 2)
      throw typeError(name, 'betas', 'two numbers', quoted(betas));
    this.#options = {
      lr: atLeastZero(name, 'lr', lr),
      weightDecay: atLeastZero(name, 'weightDecay', weightDecay),
      betas: [share(name, 'betas', betas[0]), share(name, 'betas', betas[1])],
      eps: positive(name, 'eps', eps),
    };
    if (!Array.isArray(parameters))
      throw typeError(
        name,
        'parameters',
        'an array of parameters, such as the parameters() of a layer',
        quoted(parameters),
      );
    this.#slots = (parameters as readonly LayerParameter[]).map((each) => {
      const parameter = checkOptions(name, each, 'parameters');
      const { length } = asMatrix(name, 'parameters', parameter.value).data;
      if (parameter.space !== 'vector')
        throw typeError(name, 'parameters', "parameters whose space is 'vector'", quoted(parameter.space));
      return { parameter, first: new Float64Array(length), second: new Float64Array(length) };
    });
    if (new Set(this.#slots.map(({ parameter }) => parameter.name)).size < this.#slots.length)
      throw typeError(name, 'parameters', 'unique names', 'a repeated name');
  }

  /**
   * Updates all parameters in place.
   * @param gradients - by name, as `LayerPass.backward` returns them
   * @param options - `lr` overrides the learning rate for this step
   * @throws TypeError or RangeError with a code; the parameters are then unchanged
   */
  step(gradients: ReadonlyMap<string, Matrix>, options: { lr?: number | undefined } = {}): void {
    const name = 'arrayAdamW.step';
    const { lr: given = this.#options.lr } = checkOptions(name, options, 'options', new Set(['lr']));
    const lr = atLeastZero(name, 'lr', given);
    checkMap(name, 'gradients', gradients);
    const found = this.#slots.map(({ parameter }) => {
      const gradient = gradients.get(parameter.name);
      if (gradient === undefined) throw shapeError(name, parameter.name, 'a gradient', 'none');
      const given = asMatrix(name, parameter.name, gradient);
      checkSameType(name, parameter.name, parameter.value, given);
      checkShape(name, parameter.name, given, parameter.value.rows, parameter.value.cols);
      return given;
    });
    for (const [index, { parameter, first }] of this.#slots.entries()) {
      checkKept(name, parameter.name, parameter.value.data, first.length);
      checkAttached(name, parameter.name, found[index]!);
    }
    const { weightDecay, eps } = this.#options;
    const [beta1, beta2] = this.#options.betas;
    const steps = ++this.#steps;
    const [unbias1, unbias2] = [1 - beta1 ** steps, 1 - beta2 ** steps];
    for (const [index, { parameter, first, second }] of this.#slots.entries()) {
      const { data } = parameter.value;
      const gradient = found[index]!.data;
      for (let i = 0; i < data.length; i++) {
        const g = gradient[i]!;
        first[i] = beta1 * first[i]! + (1 - beta1) * g;
        second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
        const step = first[i]! / unbias1 / (Math.sqrt(second[i]! / unbias2) + eps);
        data[i] = data[i]! * (1 - lr * weightDecay) - lr * step;
      }
    }
  }

  /** Returns a copy of the state: `steps`, and per parameter `NAME.first` and `NAME.second`. */
  state(): Map<string, StateEntry<Float64Array>> {
    const entries = this.#slots.flatMap(({ parameter: { name, value }, first, second }) => {
      const shape = [value.rows, value.cols];
      return [
        [`${name}.first`, { shape, data: first.slice() }],
        [`${name}.second`, { shape, data: second.slice() }],
      ] as const;
    });
    return new Map<string, StateEntry<Float64Array>>([
      ['steps', { shape: [1], data: Float64Array.of(this.#steps) }],
      ...entries,
    ]);
  }

  /**
   * Restores a state. If it is invalid, nothing changes.
   *
   * @throws RangeError `ERR_HOROBALL_SHAPE` or `ERR_HOROBALL_RANGE`, TypeError `ERR_HOROBALL_TYPE`
   */
  loadState(state: ReadonlyMap<string, StateEntry>): void {
    const name = 'arrayAdamW.loadState';
    checkMap(name, 'state', state);
    const steps = new Float64Array(1);
    const arrays: [string, Reals][] = [
      ['steps', steps],
      ...this.#slots.flatMap(({ parameter, first, second }): [string, Reals][] => [
        [`${parameter.name}.first`, first],
        [`${parameter.name}.second`, second],
      ]),
    ];
    const found = arrays.map(([key, to]) => {
      const data: unknown = (state.get(key) as StateEntry | null | undefined)?.data;
      if (data === undefined) throw shapeError(name, key, 'an entry with this name', 'none');
      if (!isReals(data)) throw typeError(name, key, 'numbers', quoted(data));
      if (data.length !== to.length) throw shapeError(name, key, `${to.length} values`, String(data.length));
      if (key === 'steps') integer(name, key, data[0], 0, Number.MAX_SAFE_INTEGER);
      return [to, data] as const;
    });
    for (const [to, data] of found) to.set(data);
    this.#steps = steps[0]!;
  }
}
