import { rangeError } from '../errors.ts';
import { type Embedder, type Parameter, shapedValues } from './model.ts';
import { native, waitFor } from './native.ts';
import { type AnyTensor, elements, type NamedTensor, Resource, type WaitOptions } from './tensor.ts';

/**
 * An exponential moving average of a network's trainable weights (Polyak & Juditsky 1992), begun at their present
 * values. Averages are often better than the weights of any single step, and steadier from one to the next.
 */
export class Ema extends Resource {
  readonly #trainable: readonly Parameter[];

  constructor(embedder: Embedder) {
    super('ema', native().ema(embedder.handle));
    this.#trainable = embedder.parameters().filter((parameter) => parameter.trainable);
  }

  /** average = decay average + (1 - decay) weight. */
  update(decay: number): void {
    if (!(decay >= 0 && decay < 1))
      throw rangeError('ema.update', 'decay', 'a number from 0 to below 1', decay);
    native().updateEma(this.handle, decay);
  }

  /** Exchanges the averages and the network's weights; a second call puts both back. */
  swap(): void {
    native().swapEma(this.handle);
  }

  /** The average of each trainable weight, by its name. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const arrays = this.#trainable.map(({ shape }) => new Float32Array(elements(shape)));
    await waitFor(options.signal, (cancel) => native().readEma(this.handle, arrays, cancel));
    return new Map(this.#trainable.map(({ name, shape }, i) => [name, { shape, data: arrays[i]! }]));
  }

  /** @throws RangeError `ERR_HOROBALL_SHAPE` when an entry is missing or has the wrong shape. */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<void> {
    const arrays = this.#trainable.map(({ name, shape }) => {
      const entry = state.get(name) ?? { shape: [0], data: new Float32Array(0) };
      return shapedValues('ema.loadState', name, shape, entry);
    });
    await waitFor(options.signal, (cancel) => native().writeEma(this.handle, arrays, cancel));
  }
}

/**
 * The decay of a step: the asked one, but early on no more than the average has seen,
 * `min(decay, (1 + step) / (10 + step))`, so that it forgets the random weights that it began with.
 */
export function emaDecay(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}
