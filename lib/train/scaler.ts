import { integer, positive } from '../check.ts';
import { rangeError } from '../errors.ts';
import type { LossHandle } from './loss.ts';
import { native, waitFor } from './native.ts';
import type { AdamW } from './optim.ts';
import { Resource, type WaitOptions } from './tensor.ts';

export interface GradScalerOptions {
  /** The first factor; 65536 by default. */
  scale?: number;
  /** The factor grows by this after `interval` good steps in a row, 2 by default... */
  growth?: number;
  /** ...and falls by this when a gradient overflows, 0.5 by default. */
  backoff?: number;
  /** 2000 by default. */
  interval?: number;
}

/** What a scaler goes on from. */
export interface ScalerState {
  scale: number;
  /** Steps since the last overflow or growth. */
  goodSteps: number;
  /** Steps that were left out so far, because a gradient was not finite. */
  skipped: number;
}

/**
 * Multiplies the loss, so that small gradients do not vanish in float16, and leaves out steps whose gradient
 * overflows (Micikevicius et al. 2018, arXiv 1710.03740). A step is: `backward`, `unscale`, clip, `step`, `update`.
 * Without `unscale`, `step` does it, so that a clip before it sees the scaled gradients.
 */
export class GradScaler extends Resource {
  readonly options: Readonly<Required<GradScalerOptions>>;

  constructor(options: GradScalerOptions = {}) {
    const filled = { scale: 65536, growth: 2, backoff: 0.5, interval: 2000, ...options };
    positive('gradScaler', 'scale', filled.scale);
    integer('gradScaler', 'interval', filled.interval, 1, Number.MAX_SAFE_INTEGER);
    if (!(filled.growth >= 1 && filled.growth < Infinity))
      throw rangeError('gradScaler', 'growth', 'a finite number from 1', filled.growth);
    if (!(filled.backoff > 0 && filled.backoff < 1))
      throw rangeError('gradScaler', 'backoff', 'a number above 0 and below 1', filled.backoff);
    super('gradScaler', native().scaler(filled));
    this.options = filled;
  }

  /** Sends the loss, times `factor`, backwards under the present scale. */
  backward(loss: LossHandle, factor = 1): void {
    native().backwardLoss(loss.handle, factor, this.handle);
  }

  /** Brings the optimiser's gradients back to their own size, once a step. */
  unscale(optimizer: AdamW): void {
    native().unscale(this.handle, optimizer.handle);
  }

  /** The optimiser's step, left out where a gradient is not finite. */
  step(optimizer: AdamW, { lr = optimizer.options.lr }: { lr?: number } = {}): void {
    native().stepScaled(this.handle, optimizer.handle, lr);
  }

  /** Ends the step: the scale falls after an overflow, and grows after many good steps. */
  update(): void {
    native().updateScale(this.handle);
  }

  /** The state, and whether the last step overflowed. */
  state(options: WaitOptions = {}): Promise<ScalerState & { overflowed: boolean }> {
    return waitFor(options.signal, (cancel) => native().readScaler(this.handle, cancel));
  }

  loadState({ scale, goodSteps, skipped }: ScalerState): void {
    positive('gradScaler.loadState', 'scale', scale);
    native().writeScaler(this.handle, scale, goodSteps, skipped);
  }
}
