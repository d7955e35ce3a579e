import {
  atLeastZero,
  checkCallback,
  checkMap,
  checkOptions,
  instance,
  listOf,
  positive,
  readOptions,
  share,
} from '../../check.ts';
import { quoted, typeError } from '../../errors.ts';
import type { Handle } from './addon-types.ts';
import { ViT } from './backbone.ts';
import { Embedder, shapedValues } from './embedder.ts';
import { native, waitFor } from './native.ts';
import type { Group } from './parameter-groups.ts';
import { Proxies } from './proxies.ts';
import { elements, Resource } from './tensor.ts';
import type { AnyTensor, NamedTensor, Parameter, WaitOptions } from './types.ts';

/** Options of {@link AdamW}. */
export interface AdamWOptions {
  /** Learning rate, >= 0. */
  lr: number;
  /** Decoupled weight decay, >= 0; 0.01 by default. */
  weightDecay?: number;
  /** Decay rates of the two moments, >= 0 and < 1; default (0.9, 0.999). */
  betas?: readonly [number, number];
  /** Term added to the denominator, above 0; default 1e-8. */
  eps?: number;
  /** Learning rate factor and weight decay of each parameter; see `groupsOf`. */
  groups?: (parameter: Parameter) => Group;
  /** Proxies to train with the model, as the parameter `proxies`. Default null. */
  proxies?: Proxies | null;
}

/** A trainable network: an `Embedder` or a `ViT`. */
export interface Trainable {
  /** @internal */
  readonly handle: Handle<'Embedder'>;
  /** Returns every tensor of the model, with timm's names. */
  parameters(): readonly Parameter[];
}

/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over a model's trainable parameters. */
export class AdamW extends Resource<'AdamW'> {
  /** The options with all defaults filled in. */
  readonly options: Readonly<Required<AdamWOptions>>;
  readonly #trainable: readonly Parameter[];

  /** @throws RangeError `ERR_HOROBALL_RANGE` for an option out of range */
  constructor(model: Trainable, options: AdamWOptions) {
    const filled = {
      weightDecay: 0.01,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      groups: () => ({}),
      proxies: null,
      ...readOptions('adamw', options, ['lr', 'weightDecay', 'betas', 'eps', 'groups', 'proxies']),
    };
    check(filled);
    // Does not call `model.parameters`, which a program may replace: the addon relies on one rate per parameter.
    const { parameters } = model instanceof ViT ? ViT.prototype : Embedder.prototype;
    if (!(model instanceof ViT)) instance('adamw', 'model', model, Embedder);
    const { proxies } = filled;
    if (proxies !== null) instance('adamw', 'proxies', proxies, Proxies);
    const trainable = (Reflect.apply(parameters, model, []) as readonly Parameter[]).filter(
      (each) => each.trainable,
    );
    if (proxies !== null) trainable.push(proxies.parameter);
    const groups = trainable.map((parameter) =>
      checkOptions<Group>('adamw', filled.groups(parameter), 'groups'),
    );
    const rates = groups.map(({ rate = 1 }) => atLeastZero('adamw', 'rate', rate));
    const decays = groups.map(({ weightDecay = filled.weightDecay }) =>
      atLeastZero('adamw', 'weightDecay', weightDecay),
    );
    const numbers = { betas: filled.betas, eps: filled.eps, rates, decays };
    super('adamw', native().adamw(model.handle, numbers, proxies?.handle ?? null));
    this.options = filled;
    this.#trainable = trainable;
  }

  /** Queues gradient clipping: scales all gradients so that their total L2 norm is at most `max` (above 0). */
  clipGradNorm(max: number): void {
    if (max !== Infinity) positive('adamw.clipGradNorm', 'max', max);
    native().clipGradNorm(this.handle, max);
  }

  /**
   * Queues one update.
   *
   * @param options - `lr` replaces the optimizer's learning rate for this step
   */
  step(options: { lr?: number } = {}): void {
    const { lr = this.options.lr } = readOptions('adamw.step', options, ['lr']);
    native().step(this.handle, atLeastZero('adamw.step', 'lr', lr));
  }

  /** Queues a reset of all gradients. */
  zeroGrad(): void {
    native().zeroGrad(this.handle);
  }

  /** Returns the total L2 norm of the gradients, before clipping if they were clipped. */
  gradNorm(options: WaitOptions = {}): Promise<number> {
    return waitFor('adamw.gradNorm', options, (cancel) => native().gradNorm(this.handle, cancel));
  }

  /** Returns the state as in PyTorch: `step` (shape []) and, per parameter, `NAME.exp_avg` and `NAME.exp_avg_sq`. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const entries = this.#entries();
    const arrays = entries.map((entry) => new Float32Array(elements(entry.shape)));
    await waitFor('adamw.state', options, (cancel) => native().readOptimizer(this.handle, arrays, cancel));
    return new Map(entries.map(({ name, shape }, i) => [name, { shape, data: arrays[i]! }]));
  }

  /**
   * Replaces the state with that of an earlier {@link AdamW.state}, either completely or not at all.
   * @throws RangeError `ERR_HOROBALL_SHAPE` if an entry is missing or has the wrong shape
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<void> {
    checkMap('adamw.loadState', 'state', state);
    const arrays = this.#entries().map(({ name, shape }) => {
      const entry = state.get(name) ?? { shape: [0], data: new Float32Array(0) };
      return shapedValues('adamw.loadState', name, shape, entry);
    });
    await waitFor('adamw.loadState', options, (cancel) =>
      native().writeOptimizer(this.handle, arrays, cancel),
    );
  }

  #entries(): { name: string; shape: readonly number[] }[] {
    const moments = this.#trainable.flatMap(({ name, shape }) => [
      { name: `${name}.exp_avg`, shape },
      { name: `${name}.exp_avg_sq`, shape },
    ]);
    return [{ name: 'step', shape: [] }, ...moments];
  }
}

function check({ lr, weightDecay, betas, eps, groups }: Required<AdamWOptions>): void {
  atLeastZero('adamw', 'lr', lr);
  atLeastZero('adamw', 'weightDecay', weightDecay);
  positive('adamw', 'eps', eps);
  const decays = listOf(betas, 2);
  if (decays === null) throw typeError('adamw', 'betas', 'two numbers', quoted(betas));
  for (const beta of decays) share('adamw', 'betas', beta);
  checkCallback('adamw', 'groups', groups);
}
