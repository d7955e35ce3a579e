import { type AsyncOptions, type CallOptions, type Prepared, runAsync, runSync } from './call.ts';
import {
  atLeastZero,
  type Compat,
  checkOptions,
  choice,
  curvature,
  deviceIndex,
  guards,
  positive,
  threadCount,
  yesNo,
} from './check.ts';
import { typeError } from './errors.ts';
import {
  asMatrix,
  checkSameType,
  checkShape,
  type Matrix,
  type Reals,
  type Rows,
  resultMatrix,
} from './matrix.ts';
import { core } from './native.ts';
import { batchViews, type Labels } from './views.ts';

/** The geometries, in the core's order. */
export const geometries = ['hybrid', 'euclidean', 'hyperbolic', 'chordal'] as const;

/**
 * What the logit of two samples is: `hybrid` `<e,e'>/tauE - lambda d_c(h,h')/tauH`; `euclidean` its first term;
 * `hyperbolic` `-d_c(h,h')/tauH`; `chordal` `-2|h-h'|/tauH`, the limit of `hyperbolic` as c goes to 0.
 */
export type Geometry = (typeof geometries)[number];

/** What a logit is made of; shared by the loss and by `negativeWeights`. */
export interface LogitOptions<T extends Reals = Reals> {
  /** N x D unit rows. Not needed by untied `hyperbolic` and `chordal`. */
  euclidean?: Matrix<T> | undefined;
  /** N x D points of the ball, as many columns. Not needed when tied, nor by `euclidean`. */
  hyperbolic?: Matrix<T> | undefined;
  /** One head for both: `euclidean` holds unit rows z and the ball points are `project(expmap0(clip(z)))`. */
  tied?: boolean | undefined;
  /** Rows of each class, 2 or more; the rows stand class by class: row = class * views + view. */
  views?: number | undefined;
  /** Instead of that order: one label a row, with equal counts. */
  labels?: Labels | undefined;
  /** Default `'hybrid'`. */
  geometry?: Geometry | undefined;
  /** Temperature of the inner product, > 0; default 0.1, as published. */
  tauE?: number | undefined;
  /** Temperature of the distance, > 0; default 0.2, as published. */
  tauH?: number | undefined;
  /** Weight of the distance, >= 0; default 0.5, as published. With 0 an infinite distance counts for nothing too. */
  lambda?: number | undefined;
  /** The curvature is -c, c > 0. Not needed by `euclidean`, nor by untied `chordal`. */
  c?: number | undefined;
  /** Tied only: the norm at which features are clipped before expmap0; default 2.3, null for none. */
  clipR?: number | null | undefined;
}

/** Options of {@link hybridContrastiveLoss}. */
export interface LossOptions<T extends Reals = Reals> extends LogitOptions<T>, CallOptions {
  /** `sum` (default, as published) over the ordered pairs of views of the mean over classes, or their `mean`. */
  reduction?: 'sum' | 'mean' | undefined;
  /** Whether to compute gradients; default true. */
  grad?: boolean | undefined;
  /** The published code's guards instead of exact arithmetic. */
  compat?: Compat | undefined;
  /** Where to write the gradients. */
  out?: { gradEuclidean?: Rows<T> | undefined; gradHyperbolic?: Rows<T> | undefined } | undefined;
}

/** Of the cross-view logits of every ordered pair of views, averaged over the pairs. */
export interface LossStats {
  min: number;
  mean: number;
  max: number;
  /** Share of anchors whose largest cross-view logit is their positive's. */
  accuracy: number;
}

/** What {@link hybridContrastiveLoss} gives. */
export interface LossResult<T extends Reals = Reals> {
  loss: number;
  /** In the rows of `euclidean`; tangential when tied. Only when gradients were wanted and it was given. */
  gradEuclidean?: Matrix<T>;
  /** In the points of `hyperbolic`. Only when gradients were wanted and it was given. */
  gradHyperbolic?: Matrix<T>;
  /**
   * Only when gradients were wanted. Tied: c acts through the radius of the points too. An infinite distance counts as
   * 1e30 (1e300 in float64), so that lambda has a gradient at 0 where points lie on the rim or outside.
   */
  gradParams?: { tauE: number; tauH: number; lambda: number; c: number };
  stats: LossStats;
}

/** A checked geometry: the matrices that act, and the numbers. */
export interface Logits<T extends Reals = Reals> {
  readonly geometry: number;
  readonly tied: boolean;
  readonly euclidean: Matrix<T> | undefined;
  readonly hyperbolic: Matrix<T> | undefined;
  readonly rows: number;
  readonly cols: number;
  readonly tauE: number;
  readonly tauH: number;
  readonly lambda: number;
  readonly c: number;
  readonly clip: number;
}

/** Checks what makes a logit. Inputs that the geometry does not use are left out. */
export function checkLogits<T extends Reals>(operation: string, given: LogitOptions<T>): Logits<T> {
  const options = checkOptions(operation, given);
  const name = options.geometry ?? 'hybrid';
  const geometry = choice(operation, 'geometry', name, geometries);
  const tied = yesNo(operation, 'tied', options.tied, false);
  const needsE = tied || name === 'hybrid' || name === 'euclidean';
  const needsH = !tied && name !== 'euclidean';
  if (needsH && options.hyperbolic === undefined)
    throw typeError(operation, 'hyperbolic', 'a matrix or a typed array, or tied: true', undefined);
  const euclidean = needsE ? asMatrix(operation, 'euclidean', options.euclidean as Matrix<T>) : undefined;
  const hyperbolic = needsH ? asMatrix(operation, 'hyperbolic', options.hyperbolic as Matrix<T>) : undefined;
  if (euclidean !== undefined && hyperbolic !== undefined) checkHeads(operation, euclidean, hyperbolic);
  const curved = name === 'hybrid' || name === 'hyperbolic' || (name === 'chordal' && tied);
  const { tauE = 0.1, tauH = 0.2, lambda = 0.5, clipR = 2.3 } = options;
  return {
    geometry,
    tied,
    euclidean,
    hyperbolic,
    rows: (euclidean ?? hyperbolic)!.rows,
    cols: (euclidean ?? hyperbolic)!.cols,
    tauE: positive(operation, 'tauE', tauE),
    tauH: positive(operation, 'tauH', tauH),
    lambda: atLeastZero(operation, 'lambda', lambda),
    c: curved ? curvature(operation, options.c) : 1,
    clip: clipR === null ? Number.MAX_VALUE : positive(operation, 'clipR', clipR),
  };
}

/**
 * Radius of a tied head's ball points, `project(expmap0(clip(z)))` of a unit row z:
 * `min(tanh(sqrt(c) R) / sqrt(c), (1 - 1e-3) / sqrt(c))`, `R = min(1, clip)`.
 */
export function tiedRadius({ c, clip }: Pick<Logits, 'c' | 'clip'>): number {
  const root = Math.sqrt(c);
  return Math.min(Math.tanh(root * Math.min(1, clip)), 1 - 1e-3) / root;
}

function checkHeads(operation: string, euclidean: Matrix, hyperbolic: Matrix): void {
  checkSameType(operation, 'hyperbolic', euclidean, hyperbolic);
  checkShape(operation, 'hyperbolic', hyperbolic, euclidean.rows, euclidean.cols);
}

const name = 'hybridContrastiveLoss';

type Flat = [data: Reals | null, rows: number, cols: number];

/** A matrix for the core; one that is not given still has its shape. */
function flat(matrix: Matrix | undefined, { rows, cols }: Logits): Flat {
  return [matrix?.data ?? null, rows, cols];
}

function prepare<T extends Reals>(options: LossOptions<T>): Prepared<LossResult<T>> {
  const logits = checkLogits(name, options);
  const { euclidean, hyperbolic, tied } = logits;
  const { views, order } = batchViews(name, logits.rows, options.views, options.labels);
  const mean = choice(name, 'reduction', options.reduction ?? 'sum', ['sum', 'mean']) === 1;
  const wanted = yesNo(name, 'grad', options.grad, true);
  const out = checkOptions(name, options.out, 'out');
  const gradE = wanted
    ? gradient(euclidean, options.euclidean, out, 'gradEuclidean', [hyperbolic])
    : undefined;
  const gradH =
    wanted && !tied
      ? gradient(hyperbolic, options.hyperbolic, out, 'gradHyperbolic', [euclidean, gradE])
      : undefined;
  const guard = guards(name, options.compat);
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const loss = new Float64Array(1);
  const params = wanted ? new Float64Array(4) : null;
  const stats = new Float64Array(4);
  const start = (job: number) =>
    // biome-ignore format: a group a line
    core().contrast(
      logits.geometry, guard, tied, mean, views,
      logits.tauE, logits.tauH, logits.lambda, logits.c, logits.clip,
      ...flat(euclidean, logits), ...flat(hyperbolic, logits), order,
      loss, ...flat(euclidean && gradE, logits), ...flat(hyperbolic && gradH, logits), params, stats,
      device, threads, job,
    );
  const finish = () => {
    const result: LossResult<T> = { loss: loss[0] as number, stats: statistics(stats) };
    if (params === null) return result;
    result.gradParams = parameters(params);
    if (gradE !== undefined) result.gradEuclidean = gradE;
    if (gradH !== undefined) result.gradHyperbolic = gradH;
    return result;
  };
  return { start, finish };
}

/** Where a head's gradient goes: zeros, where the head is `given` but none of those that act. */
function gradient<T extends Reals>(
  acts: Matrix<T> | undefined,
  given: Matrix<T> | undefined,
  out: NonNullable<LossOptions<T>['out']>,
  place: 'gradEuclidean' | 'gradHyperbolic',
  others: readonly (Matrix<T> | undefined)[],
): Matrix<T> | undefined {
  if (given === undefined) return undefined;
  const head = acts ?? asMatrix(name, place === 'gradEuclidean' ? 'euclidean' : 'hyperbolic', given);
  const inputs = [head, ...others];
  const result = resultMatrix(name, `out.${place}`, out[place], head.rows, head.cols, inputs);
  if (acts === undefined) result.data.fill(0);
  return result;
}

function statistics([min = 0, mean = 0, max = 0, accuracy = 0]: Iterable<number>): LossStats {
  return { min, mean, max, accuracy };
}

function parameters([tauE = 0, tauH = 0, lambda = 0, c = 0]: Iterable<number>): NonNullable<
  LossResult['gradParams']
> {
  return { tauE, tauH, lambda, c };
}

/** The type of {@link hybridContrastiveLoss}. */
export interface HybridContrastiveLoss {
  <T extends Reals>(options: LossOptions<T> & AsyncOptions): Promise<LossResult<T>>;
  sync<T extends Reals>(options: LossOptions<T>): LossResult<T>;
}

/**
 * The hybrid Euclidean and hyperbolic contrastive loss of Yue et al. (WACV 2024) over all ordered pairs of
 * views, with its gradients and the published statistics from the same pass. For the pair (a, b) of views the
 * row of anchor i holds its logits with all of view b and with all others of view a; the loss is the mean of the
 * rows' cross entropies with i's sample in view b as the target.
 *
 * Memory beyond inputs and outputs grows with the number of rows, not with its square. The result does not
 * depend on the number of threads. A row with NaN makes the loss and all gradients NaN. Losses keep their digits
 * however small they are; of one class alone the loss is 0.
 *
 * @returns the loss, gradients in the embeddings and in the parameters, and statistics
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; `ERR_HOROBALL_LABELS` names a class whose count
 * differs
 * @example
 * const euclidean = matrix(new Float32Array([1, 0, 0.6, 0.8, -1, 0, -0.6, -0.8]), 4, 2); // two classes, two views
 * const { loss, gradEuclidean, stats } = await hybridContrastiveLoss({ euclidean, tied: true, views: 2, c: 0.1 });
 * stats.accuracy; // => 1
 * gradEuclidean.rows; // => 4
 */
export const hybridContrastiveLoss: HybridContrastiveLoss = Object.assign(
  <T extends Reals>(options: LossOptions<T> & AsyncOptions) =>
    runAsync(name, options?.signal, () => prepare(options)),
  { sync: <T extends Reals>(options: LossOptions<T>) => runSync(name, prepare(options)) },
);
