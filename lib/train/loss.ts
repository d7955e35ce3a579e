import { type Compat, choice, curvature, integer, positive } from '../check.ts';
import type { Geometry } from '../loss.ts';
import { batchViews, type Labels } from '../views.ts';
import type { LossInputs } from './cross-batch.ts';
import { type Handle, native, waitFor } from './native.ts';
import { Resource, type WaitOptions } from './tensor.ts';

export interface HybridLossOptions {
  geometry: Geometry;
  /** Both outputs come from one unit vector (`embedder.tied`): one Gram product then serves both. */
  tied: boolean;
  /** Samples a class in every batch. */
  views: number;
  /** Temperatures of the cosine and of the hyperbolic (or chordal) distance; above 0. */
  tauE: number;
  tauH: number;
  /** Weight of the hyperbolic term in `hybrid`, from 0. */
  lambda: number;
  /** The ball's curvature is -c; c > 0. */
  c: number;
  /** The head's limit before expmap0 (tied only); null for none. */
  clipR?: number | null;
  /** `sum` (the published one) over the ordered pairs of views, or their `mean`. */
  reduction?: 'sum' | 'mean';
  /** `hypmix`: the published guards. */
  compat?: Compat | null;
  /**
   * `euclidean` only, from 0: negatives weigh as exp(beta s) of their logit s (Robinson et al. 2021, arXiv 2010.04592,
   * without the correction for false negatives). 0, the default, is the plain loss.
   */
  beta?: number;
}

/** The loss and what the published code logs beside it (statistics of the logits across views). */
export interface LossValues {
  loss: number;
  min: number;
  mean: number;
  max: number;
  /** Share of rows whose largest logit across views is the positive's. */
  accuracy: number;
  /** Gradients of the loss in its numbers, where `apply` was asked for them. */
  gradParams?: { tauE: number; tauH: number; lambda: number; c: number };
}

/** What `apply` may take in place of the loss's own options. */
export interface ApplyOptions {
  tauE?: number;
  tauH?: number;
  c?: number;
  /** Whether `read` gives gradients in the temperatures, lambda and c; false by default. */
  gradParams?: boolean;
}

/** The hybrid contrastive loss over all ordered pairs of views, by the core's fused kernel. */
export class HybridLoss {
  readonly options: Readonly<Required<HybridLossOptions>>;

  constructor(options: HybridLossOptions) {
    const filled = { clipR: null, reduction: 'sum', compat: null, beta: 0, ...options } as const;
    const operation = 'hybridLoss';
    integer(operation, 'views', filled.views, 2, Number.MAX_SAFE_INTEGER);
    positive(operation, 'tauE', filled.tauE);
    positive(operation, 'tauH', filled.tauH);
    if (filled.lambda !== 0) positive(operation, 'lambda', filled.lambda);
    curvature(operation, filled.c);
    if (filled.beta !== 0) positive(operation, 'beta', filled.beta);
    if (filled.beta > 0) choice(operation, 'geometry', filled.geometry, ['euclidean']);
    if (filled.clipR !== null) positive(operation, 'clipR', filled.clipR);
    this.options = filled;
  }

  /**
   * Queues the loss of one forward pass.
   * @param labels the class of each row, in any order; without them row = class * views + view.
   * @throws RangeError `ERR_HOROBALL_LABELS` naming a class that has not as many rows as the others.
   */
  apply(embeddings: LossInputs, labels?: Labels, options: ApplyOptions = {}): LossHandle {
    const rows = embeddings.euclidean.shape[0]!;
    const { order } = batchViews('hybridLoss.apply', rows, this.options.views, labels);
    const { euclidean, hyperbolic } = embeddings;
    const filled = { ...this.options, gradParams: false, ...options };
    return new LossHandle(native().loss(euclidean.handle, hyperbolic.handle, filled, order));
  }
}

/** One value of the loss, with its graph until it is disposed of. */
export class LossHandle extends Resource {
  /** @internal */
  constructor(handle: Handle) {
    super('loss', handle);
  }

  /**
   * Adds the gradients of the loss, times `factor`, to the parameters' and frees the graph. A loss that is not finite
   * fails here (`ERR_HOROBALL_DIVERGED`), so that what follows, up to the next await, does not spoil the weights.
   */
  backward(factor = 1): void {
    native().backwardLoss(this.handle, factor, null);
  }

  /** The numbers; rejects with the error of the first queued operation that failed. */
  read(options: WaitOptions = {}): Promise<LossValues> {
    return waitFor(options.signal, (cancel) => native().readLoss(this.handle, cancel));
  }
}
