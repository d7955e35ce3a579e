import { checkMap, instance, integer, share } from '../../check.ts';
import { Embedder, shapedValues } from './embedder.ts';
import { native, waitFor } from './native.ts';
import { elements, Resource } from './tensor.ts';
import type { AnyTensor, NamedTensor, Parameter, WaitOptions } from './types.ts';

/**
 * An exponential moving average (EMA) of a network's trainable weights (Polyak & Juditsky 1992), initialized with their
 * current values. The average often generalizes better than the weights of any single step, and varies less between steps.
 * Call `update` after each optimizer step, and `swap` before and after an evaluation.
 */
export class Ema extends Resource<'Ema'> {
  readonly #trainable: readonly Parameter[];

  /** @param embedder - must not be disposed of before the average */
  constructor(embedder: Embedder) {
    super('ema', native().ema(instance('ema', 'embedder', embedder, Embedder).handle));
    this.#trainable = embedder.parameters().filter((parameter) => parameter.trainable);
  }

  /**
   * Queues an update: average = decay average + (1 - decay) weight.
   * @param decay - at least 0 and below 1; see {@link emaDecay}
   * @throws RangeError `ERR_HOROBALL_RANGE`
   */
  update(decay: number): void {
    share('ema.update', 'decay', decay);
    native().updateEma(this.handle, decay);
  }

  /** Queues a swap of the averages with the network's weights; a second call swaps them back. */
  swap(): void {
    native().swapEma(this.handle);
  }

  /** Returns the average of each trainable weight, by timm's name. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const arrays = this.#trainable.map(({ shape }) => new Float32Array(elements(shape)));
    await waitFor('ema.state', options, (cancel) => native().readEma(this.handle, arrays, cancel));
    return new Map(this.#trainable.map(({ name, shape }, i) => [name, { shape, data: arrays[i]! }]));
  }

  /**
   * Replaces the averages with those of an earlier {@link Ema.state}.
   *
   * @throws RangeError `ERR_HOROBALL_SHAPE` if an entry is missing or has the wrong shape
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<void> {
    checkMap('ema.loadState', 'state', state);
    const arrays = this.#trainable.map(({ name, shape }) => {
      const entry = state.get(name) ?? { shape: [0], data: new Float32Array(0) };
      return shapedValues('ema.loadState', name, shape, entry);
    });
    await waitFor('ema.loadState', options, (cancel) => native().writeEma(this.handle, arrays, cancel));
  }
}

/**
 * Returns the decay of a step: `min(decay, (1 + step) / (10 + step))`, as in TensorFlow's ExponentialMovingAverage. The
 * lower decay of the first steps lets the average forget the initial weights quickly.
 * @param step - number of steps taken, from 1
 */
export function emaDecay(decay: number, step: number): number {
  share('emaDecay', 'decay', decay);
  integer('emaDecay', 'step', step, 1, Number.MAX_SAFE_INTEGER);
  return Math.min(decay, (1 + step) / (10 + step));
}
