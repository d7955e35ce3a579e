import { rangeError } from '../errors.ts';
import type { Group } from './groups.ts';
import { type Parameter, shapedValues } from './model.ts';
import { type Handle, native, waitFor } from './native.ts';
import { type AnyTensor, elements, type NamedTensor, Resource, type WaitOptions } from './tensor.ts';

export interface AdamWOptions {
  /** Learning rate, per step. */
  lr: number;
  /** Decoupled weight decay; 0.01 by default. */
  weightDecay?: number;
  /** Decay rates of the two moments; (0.9, 0.999) by default. */
  betas?: readonly [number, number];
  /** Added to the root of the second moment; 1e-8 by default. */
  eps?: number;
  /** Rates and decays of single parameters; see `groupsOf`. */
  groups?: (parameter: Parameter) => Group;
}

/** What can be trained: an `Embedder` or a `ViT`. */
export interface Trainable {
  /** @internal */
  readonly handle: Handle;
  parameters(): readonly Parameter[];
}

/** @internal What the addon wants: a rate and a decay for each trainable parameter. */
export interface NativeAdamWOptions {
  betas: readonly [number, number];
  eps: number;
  rates: readonly number[];
  decays: readonly number[];
}

/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over a model's trainable parameters. */
export class AdamW extends Resource {
  readonly options: Readonly<Required<AdamWOptions>>;
  readonly #trainable: readonly Parameter[];

  constructor(model: Trainable, options: AdamWOptions) {
    const filled = {
      weightDecay: 0.01,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      groups: () => ({}),
      ...options,
    };
    check(filled);
    const trainable = model.parameters().filter((p) => p.trainable);
    const groups = trainable.map((parameter) => ({
      rate: 1,
      weightDecay: filled.weightDecay,
      ...filled.groups(parameter),
    }));
    const rates = groups.map((group) => group.rate);
    const decays = groups.map((group) => group.weightDecay);
    super('adamw', native().adamw(model.handle, { betas: filled.betas, eps: filled.eps, rates, decays }));
    this.options = filled;
    this.#trainable = trainable;
  }

  /** Scales all gradients so that their joint norm is at most `max`. */
  clipGradNorm(max: number): void {
    if (!(max > 0)) throw rangeError('adamw.clipGradNorm', 'max', 'a number above 0', max);
    native().clipGradNorm(this.handle, max);
  }

  /** One update; `lr` replaces the optimiser's own for this step. */
  step({ lr = this.options.lr }: { lr?: number } = {}): void {
    if (!(lr >= 0)) throw rangeError('adamw.step', 'lr', 'a number from 0', lr);
    native().step(this.handle, lr);
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    native().zeroGrad(this.handle);
  }

  /** The joint norm of the gradients, as it was before clipping if this step clipped. */
  gradNorm(options: WaitOptions = {}): Promise<number> {
    return waitFor(options.signal, (cancel) => native().gradNorm(this.handle, cancel));
  }

  /** `step` (shape []) and, by parameter, `NAME.exp_avg` and `NAME.exp_avg_sq`. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const entries = this.#entries();
    const arrays = entries.map((entry) => new Float32Array(elements(entry.shape)));
    await waitFor(options.signal, (cancel) => native().readOptimizer(this.handle, arrays, cancel));
    return new Map(entries.map(({ name, shape }, i) => [name, { shape, data: arrays[i]! }]));
  }

  /**
   * Puts a saved state back, all or nothing.
   * @throws RangeError `ERR_HOROBALL_SHAPE` when an entry is missing or has the wrong shape.
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<void> {
    const arrays = this.#entries().map(({ name, shape }) => {
      const entry = state.get(name) ?? { shape: [0], data: new Float32Array(0) };
      return shapedValues('adamw.loadState', name, shape, entry);
    });
    await waitFor(options.signal, (cancel) => native().writeOptimizer(this.handle, arrays, cancel));
  }

  #entries(): { name: string; shape: readonly number[] }[] {
    const moments = this.#trainable.flatMap(({ name, shape }) => [
      { name: `${name}.exp_avg`, shape },
      { name: `${name}.exp_avg_sq`, shape },
    ]);
    return [{ name: 'step', shape: [] }, ...moments];
  }
}

function check({ lr, weightDecay, betas, eps }: Required<AdamWOptions>): void {
  if (!(lr >= 0)) throw rangeError('adamw', 'lr', 'a number from 0', lr);
  if (!(weightDecay >= 0)) throw rangeError('adamw', 'weightDecay', 'a number from 0', weightDecay);
  if (!(eps > 0)) throw rangeError('adamw', 'eps', 'a number above 0', eps);
  for (const beta of betas)
    if (!(beta >= 0 && beta < 1)) throw rangeError('adamw', 'betas', '0 to below 1', beta);
}
