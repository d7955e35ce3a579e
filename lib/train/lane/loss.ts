import {
  type BatchLoss,
  batchLosses,
  cardIndex,
  factsOf,
  needsProxies,
  similarityNumbersOf,
} from '../../batch-loss.ts';
import { runStepsSync } from '../../call/run.ts';
import { geometries, geometryTerms } from '../../card-names.ts';
import {
  boolean,
  choice,
  curvature,
  finite,
  guards,
  instance,
  integer,
  positive,
  readOptions,
} from '../../check.ts';
import { rangeError, typeError } from '../../errors.ts';
import { reductions } from '../../loss-types.ts';
import { batchViews, type Labels } from '../../views.ts';
import type { Handle } from './addon-types.ts';
import { checkInputs, type LossInputs } from './inputs.ts';
import { native, waitFor } from './native.ts';
import { Proxies } from './proxies.ts';
import { Resource, type Tensor } from './tensor.ts';
import type { HybridLossOptions, LossValues, WaitOptions } from './types.ts';

/** The geometries that support `hardness`: those whose logit has no distance. */
const withoutDistance = geometries.filter((name) => !geometryTerms[name].distance);

/** Options of one call of `apply`; they override the options of the same name in `HybridLoss`. */
export interface ApplyOptions {
  /** Temperatures, above 0. */
  tauE?: number;
  tauH?: number;
  /** The ball's curvature is -c; c > 0. */
  c?: number;
  /** The proxies of the losses `proxy-anchor` and `proxy-nca`; null, the default, for other losses. */
  proxies?: Proxies | null;
  /** Whether `read` returns gradients with respect to the temperatures, lambda and c; default false. */
  gradParams?: boolean;
  /**
   * Whether the ranks that gathered the embeddings (`group.gatherRows`) divide the work: each computes only the pairs
   * of its own rows with all rows. Every rank must then apply the loss with the same options; `read` returns the values of
   * the whole loss. Every rank computes the whole loss for rows that were not gathered, for a `loss` other than `views`,
   * with `hardness`, on CUDA devices, or if several ranks have rows of one class. Default false.
   */
  divide?: boolean;
}

const lossNames = [
  'loss',
  'geometry',
  'tied',
  'views',
  'tauE',
  'tauH',
  'lambda',
  'c',
  'clipR',
  'reduction',
  'compat',
  'hardness',
  'beta',
  'alpha',
  'margin',
  'base',
] as const satisfies (keyof HybridLossOptions)[];

/**
 * A contrastive loss of a network; `loss` and `geometry` select which one. It is an autograd function over the core's
 * fused kernels; see `hybridContrastiveLoss` and `contrastiveLoss` for the formulas and their sources.
 */
export class HybridLoss {
  /** The options with all defaults filled in. */
  readonly options: Readonly<Required<HybridLossOptions>>;

  /** @throws RangeError `ERR_HOROBALL_RANGE` or TypeError `ERR_HOROBALL_TYPE` for an invalid option */
  constructor(options: HybridLossOptions) {
    const operation = 'hybridLoss';
    const given = readOptions(operation, options, lossNames);
    const { loss = 'views' } = given;
    choice(operation, 'loss', loss, batchLosses);
    const { alpha, base, margin } = similarityNumbersOf(loss);
    const filled = {
      loss,
      clipR: null,
      reduction: 'sum',
      compat: null,
      ...{ alpha, base, margin },
      ...given,
      ...hardnessOf(operation, given),
    } as const;
    integer(operation, 'views', filled.views, 2, Number.MAX_SAFE_INTEGER);
    positive(operation, 'tauE', filled.tauE);
    positive(operation, 'tauH', filled.tauH);
    if (filled.lambda !== 0) positive(operation, 'lambda', filled.lambda);
    curvature(operation, filled.c);
    const { hardness } = filled;
    if (hardness > 0 && filled.loss !== 'views')
      throw rangeError(operation, 'hardness', "0 with a loss other than 'views'", hardness);
    choice(operation, 'geometry', filled.geometry, hardness > 0 ? withoutDistance : geometries);
    choice(operation, 'reduction', filled.reduction, reductions);
    boolean(operation, 'tied', filled.tied, false);
    positive(operation, 'alpha', filled.alpha);
    for (const name of ['margin', 'base'] as const) finite(operation, name, filled[name]);
    if (filled.compat !== null) guards(operation, filled.compat);
    if (filled.clipR !== null) positive(operation, 'clipR', filled.clipR);
    this.options = Object.freeze(filled);
  }

  /**
   * Queues the loss of one forward pass.
   * @param embeddings - rows x dim; also `CachedEmbeddings`, or a batch extended by `CrossBatchMemory`
   * @param labels - the class of each row, in any order; if omitted, row = class * views + view
   * @throws RangeError `ERR_HOROBALL_LABELS` naming a class with a different number of rows than the others.
   */
  apply(embeddings: LossInputs, labels?: Labels, options?: ApplyOptions): LossHandle;
  apply(embeddings: LossInputs, options: ApplyOptions): LossHandle;
  apply(embeddings: LossInputs, next?: Labels | ApplyOptions, last?: ApplyOptions): LossHandle {
    const operation = 'hybridLoss.apply';
    const areLabelsOmitted = last === undefined && isOptions(next);
    const labels = areLabelsOmitted ? undefined : (next as Labels | undefined);
    const options = areLabelsOmitted ? next : last;
    const { euclidean, hyperbolic, rows } = checkInputs(operation, embeddings);
    const { order } = runStepsSync(operation, batchViews(operation, rows, this.options.views, labels));
    const { geometry, loss, alpha } = this.options;
    const { proxies = null, ...given } = readOptions(operation, options, applyNames);
    const filled = {
      ...this.options,
      gradParams: false,
      divide: false,
      ...given,
      geometryIndex: geometries.indexOf(geometry),
      lossIndex: cardIndex(loss),
      similarityBeta: factsOf(loss).oneScale ? alpha : similarityNumbersOf(loss).beta,
      proxiesAreAnchors: factsOf(loss).proxies === 'anchors',
    };
    for (const name of ['tauE', 'tauH', 'c'] as const) positive(operation, name, filled[name]);
    for (const name of ['gradParams', 'divide'] as const) boolean(operation, name, filled[name], false);
    const classes = classesOf(operation, loss, proxies, labels);
    const { handle } = proxies ?? { handle: null };
    return new LossHandle(native().loss(euclidean.handle, hyperbolic.handle, filled, order, handle, classes));
  }
}

const applyNames = ['tauE', 'tauH', 'c', 'gradParams', 'proxies', 'divide'] as const;

/** Whether an argument is options rather than labels, which have a length. */
function isOptions(value: Labels | ApplyOptions | undefined): value is ApplyOptions {
  return typeof value === 'object' && value !== null && !('length' in value);
}

/** Validates `hardness` and its former name `beta`, and returns both with the same value. */
function hardnessOf(
  operation: string,
  { hardness, beta }: Pick<HybridLossOptions, 'hardness' | 'beta'>,
): { hardness: number; beta: number } {
  const name = hardness === undefined && beta !== undefined ? 'beta' : 'hardness';
  const value = hardness ?? beta ?? 0;
  if (value !== 0) positive(operation, name, value);
  if (beta !== undefined && beta !== value)
    throw rangeError(operation, 'beta', `${value}, the value of hardness`, beta);
  return { hardness: value, beta: value };
}

/** Returns the index of each row's proxy; null for a loss without proxies. */
function classesOf(
  operation: string,
  loss: BatchLoss,
  proxies: Proxies | null,
  labels: Labels | undefined,
): Int32Array | null {
  if (!needsProxies(loss)) {
    if (proxies === null) return null;
    throw typeError(operation, 'proxies', `null with loss ${loss}`, 'proxies');
  }
  instance(operation, 'proxies', proxies, Proxies);
  return proxies!.rowsOf(labels as Int32Array);
}

/** One evaluation of the loss; keeps the autograd graph until `backward` or disposal. */
export class LossHandle extends Resource<'Loss'> {
  /** @internal */
  constructor(handle: Handle<'Loss'>) {
    super('loss', handle);
  }

  /**
   * Queues the backward pass: accumulates the gradients of the loss, times `factor`, in the parameters, and frees the
   * graph. On the CPU, a non-finite loss fails here (`ERR_HOROBALL_DIVERGED`), so that an optimizer step that is already
   * queued does not corrupt the weights. On a CUDA device, the step itself rejects the gradients.
   */
  backward(factor = 1): void {
    native().backwardLoss(this.handle, finite('loss.backward', 'factor', factor), null);
  }

  /**
   * Queues the addition of a term, times `weight`, to the function that `backward` differentiates; `read` excludes the
   * term.
   * @internal
   */
  add(term: Tensor, weight: number): void {
    native().addTerm(this.handle, term.handle, weight);
  }

  /** Returns the values; rejects with the error of the first queued operation that failed. */
  read(options: WaitOptions = {}): Promise<LossValues> {
    return waitFor('loss.read', options, (cancel) => native().readLoss(this.handle, cancel));
  }
}
