import {
  atLeastZero,
  checkMap,
  checkOptions,
  checkText,
  integer,
  itemsOf,
  listOf,
  positive,
  share,
} from '../check.ts';
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
  readonly name: string;
  readonly parameter: LayerParameter;
  readonly shape: readonly [rows: number, cols: number];
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
    const decays = listOf(betas, 2);
    if (decays === null) throw typeError(name, 'betas', 'two numbers', quoted(betas));
    this.#options = {
      lr: atLeastZero(name, 'lr', lr),
      weightDecay: atLeastZero(name, 'weightDecay', weightDecay),
      betas: [share(name, 'betas', decays[0]), share(name, 'betas', decays[1])],
      eps: positive(name, 'eps', eps),
    };
    const expected = 'an array of parameters, such as the parameters() of a layer';
    if (!Array.isArray(parameters)) throw typeError(name, 'parameters', expected, quoted(parameters));
    const list = itemsOf<LayerParameter>(name, 'parameters', expected, parameters);
    this.#slots = Array.from(list, (each) => {
      const parameter = checkOptions(name, each, 'parameters');
      const { name: given, value, space } = parameter;
      checkText(name, 'parameters', given);
      const { data, rows, cols } = asMatrix(name, 'parameters', value);
      if (space !== 'vector')
        throw typeError(name, 'parameters', "parameters whose space is 'vector'", quoted(space));
      const moments = { first: new Float64Array(data.length), second: new Float64Array(data.length) };
      return { name: given, parameter, shape: [rows, cols] as const, ...moments };
    });
    if (new Set(this.#slots.map(({ name }) => name)).size < this.#slots.length)
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
    const found = this.#slots.map((slot) => {
      const { name: key, parameter, shape } = slot;
      const gradient = gradients.get(key);
      if (gradient === undefined) throw shapeError(name, key, 'a gradient', 'none');
      const value = asMatrix(name, key, parameter.value);
      checkShape(name, key, value, ...shape);
      const given = asMatrix(name, key, gradient);
      checkSameType(name, key, value, given);
      checkShape(name, key, given, ...shape);
      return { slot, value, gradient: given };
    });
    for (const { slot, value, gradient } of found)
      for (const each of [value, gradient]) checkAttached(name, slot.name, each);
    const { weightDecay, eps } = this.#options;
    const [beta1, beta2] = this.#options.betas;
    const steps = ++this.#steps;
    const [unbias1, unbias2] = [1 - beta1 ** steps, 1 - beta2 ** steps];
    for (const { slot, value, gradient: given } of found) {
      const { first, second } = slot;
      const { data } = value;
      const gradient = given.data;
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
    const entries = this.#slots.flatMap(
      ({ name, shape, first, second }) =>
        [
          [`${name}.first`, { shape: [...shape], data: first.slice() }],
          [`${name}.second`, { shape: [...shape], data: second.slice() }],
        ] as const,
    );
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
      ...this.#slots.flatMap(({ name: key, first, second }): [string, Reals][] => [
        [`${key}.first`, first],
        [`${key}.second`, second],
      ]),
    ];
    const found = arrays.map(([key, to]) => {
      const data: unknown = (state.get(key) as StateEntry | null | undefined)?.data;
      if (data === undefined) throw shapeError(name, key, 'an entry with this name', 'none');
      if (!isReals(data)) throw typeError(name, key, 'numbers', quoted(data));
      if (data.length !== to.length) throw shapeError(name, key, `${to.length} values`, String(data.length));
      if (key === 'steps') integer(name, key, data[0], 0, Number.MAX_SAFE_INTEGER);
      return [key, to, data] as const;
    });
    // A property that was read later may have transferred an array.
    for (const [key, to, data] of found) checkKept(name, key, data, to.length);
    for (const [, to, data] of found) to.set(data);
    this.#steps = steps[0]!;
  }
}
