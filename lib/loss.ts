import { type CallMatrix, contrast } from './call/binding-calls.ts';
import { type AsyncOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { geometries, logitDefaults, logitParameters } from './card-names.ts';
import { actingParameters, type GeometryCard, geometryCards, readsOf } from './cards.ts';
import {
  atLeastZero,
  boolean,
  callNames,
  checkOptions,
  choice,
  curvature,
  deviceIndex,
  guards,
  positive,
  threadCount,
} from './check.ts';
import { coded, rangeError } from './errors.ts';
import {
  type HybridContrastiveLoss,
  type LogitOptions,
  type LossOptions,
  type LossResult,
  type LossStats,
  reductions,
} from './loss-types.ts';
import {
  asMatrix,
  checkAttached,
  checkSameType,
  checkShape,
  type DenseMatrix,
  type Matrix,
  type Reals,
  type Rows,
  resultMatrix,
} from './matrix.ts';
import { core } from './native.ts';
import { checkUnitRows, throughNorm, unitRows } from './normalize.ts';
import { batchViews } from './views.ts';

/** Validated inputs of the logits: the matrices that the geometry uses, and its parameters. */
export interface Logits<T extends Reals = Reals> {
  readonly geometry: number;
  readonly card: GeometryCard;
  readonly tied: boolean;
  /** Whether the rows of `euclidean` are divided by their norms first. */
  readonly normalize: boolean;
  readonly euclidean: Matrix<T> | undefined;
  readonly hyperbolic: Matrix<T> | undefined;
  /** The matrices as the caller gave them, whether or not the geometry reads them; not checked. */
  readonly given: { readonly euclidean: Matrix<T> | undefined; readonly hyperbolic: Matrix<T> | undefined };
  readonly rows: number;
  readonly cols: number;
  readonly tauE: number;
  readonly tauH: number;
  readonly lambda: number;
  readonly c: number;
  readonly clip: number;
}

/** Names of the options in {@link LogitOptions}. */
export const logitNames: readonly string[] = [
  ...['euclidean', 'hyperbolic', 'normalize', 'tied', 'views', 'labels', 'geometry'],
  ...['tauE', 'tauH', 'lambda', 'c', 'clipR'],
];

/** Validates the inputs of a logit. Inputs that the geometry does not use are dropped. */
export function checkLogits<T extends Reals>(
  operation: string,
  given: LogitOptions<T>,
  known: ReadonlySet<string>,
): Logits<T> {
  const options = checkOptions(operation, given, 'options', known);
  const { geometry: name, euclidean: e, hyperbolic: h } = options;
  const geometry = name === undefined ? 0 : choice(operation, 'geometry', name, geometries);
  const card = geometryCards()[geometry]!;
  const tied = boolean(operation, 'tied', options.tied, false);
  const reads = readsOf(card, tied);
  if (reads.hyperbolic && h === undefined)
    throw coded(
      'ERR_HOROBALL_TYPE',
      `[${operation}] hyperbolic: expected points of the ball for geometry '${geometries[geometry]}', got undefined. Pass them, set tied: true, or choose geometry 'euclidean'.`,
      TypeError,
    );
  const euclidean = reads.euclidean ? asMatrix(operation, 'euclidean', e as Matrix<T>) : undefined;
  const hyperbolic = reads.hyperbolic ? asMatrix(operation, 'hyperbolic', h as Matrix<T>) : undefined;
  if (euclidean !== undefined && hyperbolic !== undefined) checkHeads(operation, euclidean, hyperbolic);
  const curved = actingParameters(card, tied).includes('c');
  const {
    tauE = logitDefaults.tauE,
    tauH = logitDefaults.tauH,
    lambda = logitDefaults.lambda,
    clipR = logitDefaults.clipR,
  } = options;
  return {
    geometry,
    card,
    tied,
    normalize: boolean(operation, 'normalize', options.normalize, false),
    euclidean,
    hyperbolic,
    given: { euclidean: e, hyperbolic: h },
    rows: (euclidean ?? hyperbolic)!.rows,
    cols: (euclidean ?? hyperbolic)!.cols,
    tauE: temperature(operation, 'tauE', tauE, 1),
    tauH: temperature(operation, 'tauH', tauH, Math.max(1, atLeastZero(operation, 'lambda', lambda))),
    lambda,
    c: curved ? curvature(operation, options.c) : 1,
    clip: clipR === null ? Number.MAX_VALUE : positive(operation, 'clipR', clipR),
  };
}

/** The unit rows of `euclidean`, and the norms of the given rows if they were normalized. */
interface UnitRows<T extends Reals> {
  readonly euclidean: Matrix<T> | undefined;
  readonly norms?: Float64Array;
}

/** Normalizes the rows if requested; otherwise checks that the rows of a tied head have unit length. */
export function* unitRowsOf<T extends Reals>(
  operation: string,
  { euclidean, normalize, tied }: Logits<T>,
): Steps<UnitRows<T>> {
  if (euclidean === undefined) return { euclidean };
  if (normalize) {
    const { unit, norms } = yield* unitRows(operation, 'euclidean', euclidean);
    return { euclidean: unit, norms };
  }
  if (tied) yield* checkUnitRows(operation, 'euclidean', euclidean);
  return { euclidean };
}

/** Checks a temperature. The core multiplies by `weight / tau`, which must be finite. */
function temperature(operation: string, argument: string, value: unknown, weight: number): number {
  const tau = positive(operation, argument, value);
  if (weight / tau < Infinity) return tau;
  throw rangeError(operation, argument, `a temperature for which ${weight} / temperature is finite`, tau);
}

function checkHeads(operation: string, euclidean: Matrix, hyperbolic: Matrix): void {
  checkSameType(operation, 'hyperbolic', euclidean, hyperbolic);
  checkShape(operation, 'hyperbolic', hyperbolic, euclidean.rows, euclidean.cols);
}

const name = 'hybridContrastiveLoss';
const lossNames = ['reduction', 'grad', 'compat', 'out'];
const known: ReadonlySet<string> = new Set([...logitNames, ...callNames, ...lossNames]);
const knownOut: ReadonlySet<string> = new Set(['gradEuclidean', 'gradHyperbolic']);

/** Returns a matrix of the given shape as the core expects it; the data of an omitted matrix are null. */
export function shaped(
  matrix: Matrix | undefined,
  { rows, cols }: { readonly rows: number; readonly cols: number },
): CallMatrix {
  return { data: matrix?.data ?? null, rows, cols };
}

function* evaluate<T extends Reals>(options: LossOptions<T>): Steps<LossResult<T>> {
  const logits = checkLogits(name, options, known);
  const { euclidean, hyperbolic, tied, given } = logits;
  const { views, order } = yield* batchViews(name, logits.rows, options.views, options.labels);
  const mean = choice(name, 'reduction', options.reduction ?? 'sum', reductions) === 1;
  const wanted = boolean(name, 'grad', options.grad, true);
  const out = checkOptions(name, options.out, 'out', knownOut);
  const gradE = wanted
    ? gradientFor(name, 'euclidean', euclidean, given.euclidean, out.gradEuclidean, [hyperbolic])
    : undefined;
  const gradH =
    wanted && !tied
      ? gradientFor(name, 'hyperbolic', hyperbolic, given.hyperbolic, out.gradHyperbolic, [euclidean, gradE])
      : undefined;
  const guard = guards(name, options.compat);
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const { euclidean: unit, norms } = yield* unitRowsOf(name, logits);
  const loss = new Float64Array(1);
  const params = wanted ? new Float64Array(logitParameters.length) : null;
  const stats = new Float64Array(4);
  const start = (job: number) =>
    contrast(core(), {
      geometry: logits.geometry,
      guards: guard,
      tied,
      mean,
      views,
      tauE: logits.tauE,
      tauH: logits.tauH,
      lambda: logits.lambda,
      c: logits.c,
      clip: logits.clip,
      euclidean: shaped(unit, logits),
      hyperbolic: shaped(hyperbolic, logits),
      order,
      loss,
      gradEuclidean: shaped(euclidean && gradE, logits),
      gradHyperbolic: shaped(hyperbolic && gradH, logits),
      gradParams: params,
      stats,
      device,
      threads,
      job,
    });
  if (unit !== undefined) checkAttached(name, 'euclidean', unit);
  if (hyperbolic !== undefined) checkAttached(name, 'hyperbolic', hyperbolic);
  yield { start, finish: () => {} };
  if (gradE !== undefined && norms !== undefined) yield* throughNorm(name, gradE, unit!, norms);
  const result: LossResult<T> = { loss: loss[0] as number, stats: statistics(stats) };
  if (params === null) return result;
  result.gradParams = parameters(params);
  if (gradE !== undefined) result.gradEuclidean = gradE;
  if (gradH !== undefined) result.gradHyperbolic = gradH;
  return result;
}

/**
 * Returns the output array for a head's gradient, filled with zeros if the head is given but not used by the geometry.
 */
export function gradientFor<T extends Reals>(
  operation: string,
  argument: string,
  activeHead: Matrix<T> | undefined,
  given: Matrix<T> | undefined,
  out: Rows<T> | undefined,
  others: readonly (Matrix<T> | undefined)[],
): DenseMatrix<T> | undefined {
  if (given === undefined) return undefined;
  const head = activeHead ?? asMatrix(operation, argument, given);
  const place = `out.grad${argument[0]!.toUpperCase()}${argument.slice(1)}`;
  const result = resultMatrix(operation, place, out, head.rows, head.cols, [head, ...others]);
  if (activeHead === undefined) result.data.fill(0);
  return result;
}

function statistics([min = 0, mean = 0, max = 0, accuracy = 0]: Iterable<number>): LossStats {
  return { min, mean, max, accuracy };
}

/** Returns the gradients with respect to the parameters, by name. */
export function parameters([tauE = 0, tauH = 0, lambda = 0, c = 0]: Iterable<number>): NonNullable<
  LossResult['gradParams']
> {
  return { tauE, tauH, lambda, c };
}

/**
 * Computes the hybrid Euclidean and hyperbolic contrastive loss of Yue et al. (WACV 2024) over all ordered pairs of
 * views, with its gradients and the published statistics from the same pass. For the pair (a, b) of views, anchor i
 * in view a is compared with all samples of view b and with all other samples of view a. The loss of the pair
 * is the mean cross entropy over the anchors; the target of anchor i is the sample of its class in view b.
 *
 * Memory beyond inputs and outputs (and the unit rows of `normalize`) grows with the number of rows, not with its
 * square. The result does not depend on the number of threads. A row with NaN makes the loss and all gradients NaN.
 * Small losses are not lost to cancellation; the loss of a single class is 0.
 *
 * @returns the loss, gradients with respect to the embeddings and the parameters, and statistics
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
    runSteps(name, options?.signal, () => evaluate(options)),
  {
    sync: <T extends Reals>(options: LossOptions<T>) =>
      runStepsSync(name, evaluate(options), options?.signal),
  },
) as HybridContrastiveLoss; // a cast, because the overloads of this type declare more result fields as present
