import {
  atLeastZero,
  checkOptions,
  finite,
  instance,
  integer,
  lossScales,
  positive,
  readOptions,
} from '../../check.ts';
import { rangeError } from '../../errors.ts';
import { LossHandle } from './loss.ts';
import { native, waitFor } from './native.ts';
import { AdamW } from './optim.ts';
import { Resource } from './tensor.ts';
import type { GradScalerOptions, ScalerState, WaitOptions } from './types.ts';

/**
 * Scales the loss so that small gradients do not underflow in float16, and skips steps whose gradient overflows
 * (Micikevicius et al. 2018, arXiv 1710.03740). A step is: `backward`, `unscale`, `clipGradNorm`, `step`, `update`. If
 * `unscale` is omitted, `step` unscales, and `clipGradNorm` clips scaled gradients.
 */
export class GradScaler extends Resource<'Scaler'> {
  /** The options with all defaults filled in. */
  readonly options: Readonly<Required<GradScalerOptions>>;

  /** @throws RangeError `ERR_HOROBALL_RANGE` for an option out of range */
  constructor(options: GradScalerOptions = {}) {
    const filled = {
      scale: 65536,
      growth: 2,
      backoff: 0.5,
      interval: 2000,
      ...readOptions('gradScaler', options, ['scale', 'growth', 'backoff', 'interval']),
    };
    checkScale('gradScaler', filled.scale);
    integer('gradScaler', 'interval', filled.interval, 1, Number.MAX_SAFE_INTEGER);
    if (finite('gradScaler', 'growth', filled.growth) < 1)
      throw rangeError('gradScaler', 'growth', 'a finite number of at least 1', filled.growth);
    if (positive('gradScaler', 'backoff', filled.backoff) >= 1)
      throw rangeError('gradScaler', 'backoff', 'a number above 0 and below 1', filled.backoff);
    super('gradScaler', native().scaler(filled));
    this.options = Object.freeze(filled);
  }

  /** Queues the backward pass of the loss, times `factor` and the current scale. */
  backward(loss: LossHandle, factor = 1): void {
    instance('gradScaler.backward', 'loss', loss, LossHandle);
    native().backwardLoss(loss.handle, finite('gradScaler.backward', 'factor', factor), this.handle);
  }

  /** Queues unscaling of the optimizer's gradients; further calls in the same step do nothing. */
  unscale(optimizer: AdamW): void {
    native().unscale(this.handle, instance('gradScaler.unscale', 'optimizer', optimizer, AdamW).handle);
  }

  /** Queues the optimizer's step, which is skipped if a gradient is not finite. */
  step(optimizer: AdamW, options: { lr?: number } = {}): void {
    instance('gradScaler.step', 'optimizer', optimizer, AdamW);
    const { lr = optimizer.options.lr } = readOptions('gradScaler.step', options, ['lr']);
    native().stepScaled(this.handle, optimizer.handle, atLeastZero('gradScaler.step', 'lr', lr));
  }

  /** Ends the step: reduces the scale after an overflow, and increases it after `interval` steps without one. */
  update(): void {
    native().updateScale(this.handle);
  }

  /** Returns the state, and whether the last step overflowed. */
  state(options: WaitOptions = {}): Promise<ScalerState & { overflowed: boolean }> {
    return waitFor('gradScaler.state', options, (cancel) => native().readScaler(this.handle, cancel));
  }

  /**
   * Replaces the state with that of an earlier {@link GradScaler.state}.
   *
   * @throws RangeError `ERR_HOROBALL_RANGE` unless the scale is between 2^-126 and 2^127
   */
  loadState(state: ScalerState): void {
    const { scale, goodSteps, skipped } = checkOptions('gradScaler.loadState', state, 'state');
    checkScale('gradScaler.loadState', scale);
    for (const [name, count] of Object.entries({ goodSteps, skipped }))
      integer('gradScaler.loadState', name, count, 0, Number.MAX_SAFE_INTEGER);
    native().writeScaler(this.handle, scale, goodSteps, skipped);
  }
}

function checkScale(operation: string, scale: unknown): void {
  const value = positive(operation, 'scale', scale);
  if (value < lossScales.least || value > lossScales.most)
    throw rangeError(operation, 'scale', lossScales.expected, value);
}
