// The options, results and overloads of `hybridContrastiveLoss` and `contrastiveLoss`.
import type { LossWithParameters, ParameterOf } from './batch-loss.ts';
import type { AsyncOptions, CallOptions } from './call/run.ts';
import type { ContrastiveLossName } from './card-names.ts';
import type { Geometry } from './cards.ts';
import type { Compat } from './check.ts';
import type { DenseMatrix, Matrix, Reals, Rows } from './matrix.ts';
import type { LabelColumns, PositiveMask } from './positives.ts';
import type { Labels } from './views.ts';

/** How the losses of the ordered pairs of views are reduced. */
export const reductions = ['sum', 'mean'] as const;
export type Reduction = (typeof reductions)[number];

/** How the terms of a loss are reduced. */
export const pairReductions = ['mean', 'sum', 'anchor-mean'] as const;
export type PairReduction = (typeof pairReductions)[number];

/** Inputs and parameters of the logits, shared by the losses and `negativeWeights`. */
export interface LogitOptions<T extends Reals = Reals> {
  /**
   * N x D rows. Required by tied heads and by geometries with an inner product (`hybrid`, `euclidean`); the inner
   * product of unit rows is their cosine. A tied head rejects rows that do not have unit length, unless `normalize` is set.
   */
  euclidean?: Matrix<T> | undefined;
  /**
   * N x D points of the ball, with as many columns as `euclidean`; for `lorentz` N x (D + 1) points of the hyperboloid,
   * time first. Required by geometries with a distance, unless tied.
   */
  hyperbolic?: Matrix<T> | undefined;
  /**
   * Divide the rows of `euclidean` by their norms first; gradients are with respect to the given rows. Default false.
   */
  normalize?: boolean | undefined;
  /**
   * One head for both spaces: `euclidean` contains unit rows z, and the ball points are `project(expmap0(clip(z)))`.
   */
  tied?: boolean | undefined;
  /** Rows per class, 2 or more, ordered by class: row = class * views + view. */
  views?: number | undefined;
  /** One label per row, for rows in any order; every label must occur equally often. */
  labels?: Labels | undefined;
  /** Default `'hybrid'`. */
  geometry?: Geometry | undefined;
  /** Temperature of the inner product, > 0; default 0.1, as published. */
  tauE?: number | undefined;
  /** Temperature of the distance, > 0; default 0.2, as published. */
  tauH?: number | undefined;
  /** Weight of the distance, >= 0; default 0.5, as published. With 0, even infinite distances are ignored. */
  lambda?: number | undefined;
  /** The curvature is -c, c > 0. Required by geometries with a curved distance, and by tied heads with any distance. */
  c?: number | undefined;
  /**
   * Tied only: the norm at which features are clipped before expmap0, null for none. A limit of 1 or more leaves unit
   * rows unchanged, so the default 2.3 and null, the default of `HybridLoss`, give the same results.
   */
  clipR?: number | null | undefined;
}

/** Options that both losses have in addition to those of the logits. */
interface LossCallOptions extends CallOptions {
  /** Whether to compute gradients. Default true. */
  grad?: boolean | undefined;
  /** Use the numerical guards of the published code instead of the exact formulas. */
  compat?: Compat | undefined;
}

/** Options of {@link hybridContrastiveLoss}. */
export interface LossOptions<T extends Reals = Reals> extends LogitOptions<T>, LossCallOptions {
  /**
   * `sum` (default, as published) adds the losses of the ordered pairs of views, each a mean over classes; `mean`
   * averages them.
   */
  reduction?: Reduction | undefined;
  /** Where to write the gradients. */
  out?: { gradEuclidean?: Rows<T> | undefined; gradHyperbolic?: Rows<T> | undefined } | undefined;
}

/** Rows that the anchors are compared with. */
export interface LossReference<T extends Reals = Reals> {
  /** M x D rows, with as many columns as the anchors' matrix. */
  euclidean?: Matrix<T> | undefined;
  hyperbolic?: Matrix<T> | undefined;
  /** Labels of these rows, with as many columns as the anchors' labels. */
  labels?: LabelColumns | undefined;
  /**
   * Whether to compute the gradients of these rows; default: the value of `options.grad`. A memory of past batches does
   * not need them.
   */
  grad?: boolean | undefined;
}

/** The parameters of {@link contrastiveLoss} that only some losses have. */
export interface LossParameters {
  /** Scale of the positives' logits, > 0; default 2, and 32 for `proxy-anchor`. */
  alpha?: number | undefined;
  /**
   * Scale of the negatives' logits, > 0; default 50, and 32 for `proxy-anchor`. Not the `hardness` (formerly `beta`) of
   * hard negative sampling in `HybridLoss`.
   */
  beta?: number | undefined;
  /**
   * Subtracted from the logits of positives and negatives; default 0.5, and 0 for `proxy-anchor`. Logits of a geometry
   * without a cosine are negative distances, so choose a base below 0 for them.
   */
  base?: number | undefined;
  /** How far the logits of positives should be above the base, and those of negatives below it; default 0.1. */
  margin?: number | undefined;
}

/** Options of {@link contrastiveLoss} with any loss. */
interface PairOptions<T extends Reals> extends Omit<LogitOptions<T>, 'views' | 'labels'>, LossCallOptions {
  /**
   * Default `'ntxent'`, also called InfoNCE, or ProxyNCA++ if `ref` contains proxies. `ntxent` has one term per
   * positive, and so does `dcl` for anchors with negatives; the other losses have one term per anchor. Only
   * `multi-similarity` and `proxy-anchor` have a term for anchors without positives; as published, their logits are
   * cosines (`tauE: 1`). For `proxy-anchor`, the anchors are proxies and `ref` is the batch; `reduction: 'mean'` averages
   * the positive part of the terms over the proxies with positives, and the negative part over all proxies.
   */
  loss?: ContrastiveLossName | undefined;
  /**
   * One label per row, in any order and with any counts; or several columns of labels: rows with the same label in any
   * column are positives.
   */
  labels?: LabelColumns | undefined;
  /** The positive pairs, instead of labels. */
  positives?: PositiveMask | undefined;
  /**
   * Rows that the anchors are compared with: a memory of past batches, or the other tower of a two-tower model. Without
   * `ref`, each row is compared with all other rows.
   */
  ref?: LossReference<T> | undefined;
  /** Weight of each anchor's terms, 0 or more; default 1. */
  weights?: ArrayLike<number> | undefined;
  /**
   * `mean` (default): the weighted mean over all terms; `sum`: their weighted sum; `anchor-mean`: the mean of each
   * anchor's terms, averaged with the weights over the anchors that have terms.
   */
  reduction?: PairReduction | undefined;
  /** Where to write the gradients. */
  out?:
    | {
        gradEuclidean?: Rows<T> | undefined;
        gradHyperbolic?: Rows<T> | undefined;
        gradRefEuclidean?: Rows<T> | undefined;
        gradRefHyperbolic?: Rows<T> | undefined;
      }
    | undefined;
}

/** The parameters P, and no others. */
type Only<P extends keyof LossParameters> = Pick<LossParameters, P> & {
  [Other in Exclude<keyof LossParameters, P>]?: undefined;
};

/** A loss with its parameters. */
type ParametrizedLoss = { [L in LossWithParameters]: { loss: L } & Only<ParameterOf<L>> }[LossWithParameters];

/** A loss, and its parameters if it has any. */
export type LossChoice =
  | ParametrizedLoss
  | ({ loss?: Exclude<ContrastiveLossName, LossWithParameters> | undefined } & Only<never>);

/** Options of {@link contrastiveLoss}. The loss determines which parameters are accepted. */
export type ContrastiveLossOptions<T extends Reals = Reals> = PairOptions<T> & LossChoice;

/** The gradients of a loss. */
interface LossGradients<T extends Reals> {
  /**
   * Gradient with respect to `euclidean`; if tied, tangent to the unit sphere. Present if gradients were requested and
   * the input was given.
   */
  gradEuclidean?: DenseMatrix<T>;
  /** Gradient with respect to `hyperbolic`. Present if gradients were requested and the input was given; never if tied. */
  gradHyperbolic?: DenseMatrix<T>;
  /**
   * Present if gradients were requested. If tied, the gradient with respect to c includes its effect on the radius of
   * the points. An infinite distance counts as 1e30 (1e300 in float64), so that the gradient with respect to lambda at
   * lambda = 0 is finite even if points are on or outside the boundary of the ball.
   */
  gradParams?: { tauE: number; tauH: number; lambda: number; c: number };
}

/** Statistics of the cross-view logits of each ordered pair of views, averaged over the pairs. */
export interface LossStats {
  min: number;
  mean: number;
  max: number;
  /** Fraction of anchors whose largest cross-view logit belongs to their positive. */
  accuracy: number;
}

/** Result of {@link hybridContrastiveLoss}. */
export interface LossResult<T extends Reals = Reals> extends LossGradients<T> {
  loss: number;
  stats: LossStats;
}

/**
 * Result of {@link contrastiveLoss}. A gradient is present if it was requested and its matrix was given. If tied, there are
 * no hyperbolic gradients.
 */
export interface ContrastiveLossResult<T extends Reals = Reals> extends LossGradients<T> {
  /** 0 if no anchor has a term. */
  loss: number;
  /** The mean of the terms of each anchor, without weights; 0 for an anchor without terms. */
  losses: Float64Array;
  gradRefEuclidean?: DenseMatrix<T>;
  gradRefHyperbolic?: DenseMatrix<T>;
}

/** Result of {@link hybridContrastiveLoss} with `grad: false`. */
export type LossValue = Pick<LossResult, 'loss' | 'stats'>;
/** Result with gradients, for a tied head. */
export type TiedLossResult<T extends Reals = Reals> = LossResult<T> & EuclideanGradients<T>;
/** Result with gradients, for two heads. */
export type UntiedLossResult<T extends Reals = Reals> = LossResult<T> & Required<LossGradients<T>>;
/** Options without gradients. */
export type ValueOptions<T extends Reals = Reals> = LossOptions<T> & NoGradients;
/** Options of a tied head, with gradients. */
export type TiedOptions<T extends Reals = Reals> = LossOptions<T> & TiedHead<T>;
/** Options of two heads, with gradients. */
export type UntiedOptions<T extends Reals = Reals> = LossOptions<T> & TwoHeads<T>;

/** From here to `HyperbolicGradients`: the options that select an overload, and the gradients in its result. */
interface NoGradients {
  grad: false;
}
interface TiedHead<T extends Reals> {
  tied: true;
  euclidean: Matrix<T>;
  grad?: true | undefined;
}
interface TwoHeads<T extends Reals> {
  tied?: false | undefined;
  euclidean: Matrix<T>;
  hyperbolic: Matrix<T>;
  grad?: true | undefined;
}
interface OnlyEuclidean<T extends Reals> {
  euclidean: Matrix<T>;
  hyperbolic?: undefined;
  grad?: true | undefined;
}
interface OnlyHyperbolic<T extends Reals> {
  tied?: false | undefined;
  euclidean?: undefined;
  hyperbolic: Matrix<T>;
  grad?: true | undefined;
}
type EuclideanGradients<T extends Reals> = Required<
  Pick<LossGradients<T>, 'gradEuclidean' | 'gradParams'>
> & { gradHyperbolic?: undefined };
type HyperbolicGradients<T extends Reals> = Required<
  Pick<LossGradients<T>, 'gradHyperbolic' | 'gradParams'>
> & { gradEuclidean?: undefined };

/** The options and results of each loss function. */
interface LossTypes<T extends Reals> {
  hybridContrastiveLoss: { options: LossOptions<T>; value: LossValue; result: LossResult<T> };
  contrastiveLoss: {
    options: ContrastiveLossOptions<T>;
    value: Pick<ContrastiveLossResult, 'loss' | 'losses'>;
    result: ContrastiveLossResult<T>;
  };
}

type LossName = keyof LossTypes<Reals>;
type Options<N extends LossName, T extends Reals> = LossTypes<T>[N]['options'];
type Result<N extends LossName, T extends Reals> = LossTypes<T>[N]['result'];
type Value<N extends LossName> = LossTypes<Reals>[N]['value'];

/** A loss function: `grad`, `tied` and the matrices determine which gradients the result has. */
interface LossFunction<N extends LossName> {
  <T extends Reals>(options: Options<N, T> & NoGradients & AsyncOptions): Promise<Value<N>>;
  <T extends Reals>(
    options: Options<N, T> & TiedHead<T> & AsyncOptions,
  ): Promise<Result<N, T> & EuclideanGradients<T>>;
  <T extends Reals>(
    options: Options<N, T> & OnlyEuclidean<T> & AsyncOptions,
  ): Promise<Result<N, T> & EuclideanGradients<T>>;
  <T extends Reals>(
    options: Options<N, T> & OnlyHyperbolic<T> & AsyncOptions,
  ): Promise<Result<N, T> & HyperbolicGradients<T>>;
  <T extends Reals>(
    options: Options<N, T> & TwoHeads<T> & AsyncOptions,
  ): Promise<Result<N, T> & Required<LossGradients<T>>>;
  <T extends Reals>(options: Options<N, T> & AsyncOptions): Promise<Result<N, T>>;
  sync: LossFunctionSync<N>;
}

/** The synchronous variant of {@link LossFunction}. */
interface LossFunctionSync<N extends LossName> {
  <T extends Reals>(options: Options<N, T> & NoGradients): Value<N>;
  <T extends Reals>(options: Options<N, T> & TiedHead<T>): Result<N, T> & EuclideanGradients<T>;
  <T extends Reals>(options: Options<N, T> & OnlyEuclidean<T>): Result<N, T> & EuclideanGradients<T>;
  <T extends Reals>(options: Options<N, T> & OnlyHyperbolic<T>): Result<N, T> & HyperbolicGradients<T>;
  <T extends Reals>(options: Options<N, T> & TwoHeads<T>): Result<N, T> & Required<LossGradients<T>>;
  <T extends Reals>(options: Options<N, T>): Result<N, T>;
}

/** The type of {@link hybridContrastiveLoss}. */
export type HybridContrastiveLoss = LossFunction<'hybridContrastiveLoss'>;
/** The synchronous variant of {@link HybridContrastiveLoss}. */
export type LossSync = LossFunctionSync<'hybridContrastiveLoss'>;
/** The type of {@link contrastiveLoss}. */
export type ContrastiveLoss = LossFunction<'contrastiveLoss'>;
