import { parametersOf, type SimilarityNumbers, similarityNumbersOf } from './batch-loss.ts';
import { pairLoss } from './call/binding-calls.ts';
import { type AsyncOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { type ContrastiveLossName, contrastiveLosses, logitParameters } from './card-names.ts';
import {
  boolean,
  callNames,
  checkOptions,
  choice,
  deviceIndex,
  finite,
  guards,
  positive,
  readOptions,
  threadCount,
} from './check.ts';
import { coded, rangeError, shapeError } from './errors.ts';
import { listLength } from './integers.ts';
import { checkLogits, gradientFor, type Logits, logitNames, parameters, shaped, unitRowsOf } from './loss.ts';
import {
  type ContrastiveLoss,
  type ContrastiveLossOptions,
  type ContrastiveLossResult,
  type LogitOptions,
  type LossParameters,
  type LossReference,
  pairReductions,
} from './loss-types.ts';
import {
  allocateArray,
  asMatrix,
  checkAttached,
  checkSameType,
  checkShape,
  type DenseMatrix,
  type Matrix,
  type Reals,
  type Rows,
} from './matrix.ts';
import { core } from './native.ts';
import { checkUnitRows, throughNorm, unitRows } from './normalize.ts';
import { positivePairs } from './positives.ts';
import { weightSteps } from './weights.ts';

const name = 'contrastiveLoss';
/** The checks of the parameters that only some losses have. */
const parameterChecks: Readonly<Record<keyof LossParameters, typeof positive>> = {
  alpha: positive,
  beta: positive,
  base: finite,
  margin: finite,
};
const parameterNames = Object.keys(parameterChecks) as (keyof LossParameters)[];

const lossNames = [
  'loss',
  'positives',
  'ref',
  'weights',
  'reduction',
  ...parameterNames,
  'grad',
  'compat',
  'out',
];
const known: ReadonlySet<string> = new Set([
  ...logitNames.filter((option) => option !== 'views'),
  ...callNames,
  ...lossNames,
]);
const refNames = ['euclidean', 'hyperbolic', 'labels', 'grad'] as const;
const knownOut: ReadonlySet<string> = new Set([
  'gradEuclidean',
  'gradHyperbolic',
  'gradRefEuclidean',
  'gradRefHyperbolic',
]);

/** The validated option `ref`: the rows with which the anchors are compared. */
interface References<T extends Reals> {
  readonly euclidean: Matrix<T> | undefined;
  readonly hyperbolic: Matrix<T> | undefined;
  readonly given: LossReference<T>;
  readonly rows: number;
  readonly cols: number;
}

function checkReferences<T extends Reals>(
  logits: Logits<T>,
  ref: LossReference<T> | undefined,
): References<T> {
  if (ref === undefined) {
    return { euclidean: undefined, hyperbolic: undefined, given: {}, rows: 0, cols: 0 };
  }
  const given = readOptions(name, ref ?? null, refNames, 'ref');
  const side = (place: 'euclidean' | 'hyperbolic'): Matrix<T> | undefined => {
    const anchors = logits[place];
    if (anchors === undefined) return undefined;
    const rows = asMatrix(name, `ref.${place}`, given[place] as Matrix<T>);
    checkSameType(name, `ref.${place}`, anchors, rows);
    checkShape(name, `ref.${place}`, rows, rows.rows, anchors.cols);
    return rows;
  };
  const euclidean = side('euclidean');
  const hyperbolic = side('hyperbolic');
  if (euclidean !== undefined && hyperbolic !== undefined)
    checkShape(name, 'ref.hyperbolic', hyperbolic, euclidean.rows, euclidean.cols);
  const { rows, cols } = (euclidean ?? hyperbolic)!;
  if (rows === 0) throw shapeError(name, 'ref', 'at least 1 row', 'none');
  return { euclidean, hyperbolic, given, rows, cols };
}

/**
 * Returns a copy of the weights, each read once. For a weighted mean (`isMean`), scales the weights if they are
 * extremely large or small, because only their ratios matter.
 */
function* weightList(weights: ArrayLike<number>, rows: number, isMean: boolean): Steps<Float64Array> {
  const length = listLength(name, 'weights', weights, 'an array of numbers');
  if (length !== rows) throw shapeError(name, 'weights', `${rows} numbers`, String(length));
  const copy = allocateArray(name, Float64Array, rows);
  yield* weightSteps(name, weights, rows, copy);
  if (isMean) yield* scaleExtreme(copy);
  return copy;
}

/**
 * If the largest weight is in this range, neither the sum of the weights nor a product in float32 overflows or
 * vanishes.
 */
const [smallWeight, largeWeight] = [2 ** -64, 2 ** 64];

/** Divides weights by a power of 2 if the largest is extremely large or small. */
function* scaleExtreme(weights: Float64Array): Steps<void> {
  let largest = 0;
  yield* inSlices(weights.length, (begin, end) => {
    for (let i = begin; i < end; ++i) largest = Math.max(largest, weights[i]!);
  });
  if (largest === 0 || (largest >= smallWeight && largest <= largeWeight)) return;
  const scale = 2 ** Math.floor(Math.log2(largest));
  yield* inSlices(weights.length, (begin, end) => {
    for (let i = begin; i < end; ++i) weights[i]! /= scale;
  });
}

/** Returns the parameters of a loss. Throws for a parameter that the loss does not have. */
function checkParameters(
  given: LossParameters,
  loss: ContrastiveLossName,
  logits: Logits,
): SimilarityNumbers {
  const defaults = parametersOf(loss);
  const numbers = { ...similarityNumbersOf(loss) };
  for (const parameter of parameterNames) {
    const value = given[parameter];
    if (value === undefined) continue;
    if (defaults[parameter] === undefined) throw withoutEffect(parameter, loss);
    numbers[parameter] = parameterChecks[parameter](name, parameter, value);
  }
  const { alpha, beta, base, margin } = numbers;
  const { tauE, tauH, lambda } = logits;
  const most = Math.max(
    beta / tauE,
    (Math.max(1, lambda) * beta) / tauH,
    alpha / beta,
    (Math.abs(base) + Math.abs(margin)) * Math.max(alpha, beta),
  );
  const least = Math.min(tauE / beta, tauH / beta);
  if (defaults.beta !== undefined && !(most < Infinity && least > 0))
    throw rangeError(name, 'beta', 'a number for which the exponents of the loss are finite', beta);
  return numbers;
}

function withoutEffect(parameter: keyof LossParameters, loss: ContrastiveLossName): Error {
  const losses = contrastiveLosses.filter((each) => parametersOf(each)[parameter] !== undefined);
  const message = `[${name}] ${parameter}: expected loss ${losses.join(' or ')}, got ${loss}. Omit ${parameter} or change the loss.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function* evaluate<T extends Reals>(options: ContrastiveLossOptions<T>): Steps<ContrastiveLossResult<T>> {
  const logits = checkLogits(name, options as LogitOptions<T>, known);
  const { euclidean, hyperbolic, tied, given } = logits;
  if (logits.rows === 0) throw shapeError(name, 'euclidean', 'at least 1 row', 'none');
  const variant = choice(name, 'loss', options.loss ?? 'ntxent', contrastiveLosses);
  const reduction = choice(name, 'reduction', options.reduction ?? 'mean', pairReductions);
  const numbers = checkParameters(options, contrastiveLosses[variant]!, logits);
  const { ref: givenRef, weights: givenWeights } = options;
  const ref = checkReferences(logits, givenRef);
  const pairRows = { anchors: logits.rows, references: givenRef === undefined ? undefined : ref.rows };
  const wanted = boolean(name, 'grad', options.grad, true);
  const wantedRef = boolean(name, 'ref.grad', ref.given.grad, wanted) && wanted;
  const out = checkOptions(name, options.out, 'out', knownOut);
  const guard = guards(name, options.compat);
  const device = deviceIndex(name, options.device);
  const threads = threadCount(name, options.threads);
  const inputs = [euclidean, hyperbolic, ref.euclidean, ref.hyperbolic];
  const made: (Matrix<T> | undefined)[] = [];
  const gradient = (
    place: string,
    isWanted: boolean,
    activeHead: Matrix<T> | undefined,
    head: Matrix<T> | undefined,
    to: Rows<T> | undefined,
  ): DenseMatrix<T> | undefined => {
    if (!isWanted) return undefined;
    const result = gradientFor(name, place, activeHead, head, to, [...inputs, ...made]);
    made.push(result);
    return result;
  };
  const gradE = gradient('euclidean', wanted, euclidean, given.euclidean, out.gradEuclidean);
  const gradH = gradient('hyperbolic', wanted && !tied, hyperbolic, given.hyperbolic, out.gradHyperbolic);
  const gradRE = gradient(
    'refEuclidean',
    wantedRef,
    ref.euclidean,
    ref.given.euclidean,
    out.gradRefEuclidean,
  );
  const gradRH = gradient(
    'refHyperbolic',
    wantedRef && !tied,
    ref.hyperbolic,
    ref.given.hyperbolic,
    out.gradRefHyperbolic,
  );
  const pairs = yield* positivePairs(name, pairRows, options.labels, ref.given.labels, options.positives);
  const weights =
    givenWeights === undefined
      ? null
      : yield* weightList(givenWeights, logits.rows, pairReductions[reduction] !== 'sum');
  const { euclidean: unit, norms } = yield* unitRowsOf(name, logits);
  const { unit: refUnit, norms: refNorms } = yield* refUnitRows(logits, ref.euclidean);
  const loss = new Float64Array(1);
  const losses = allocateArray(name, Float64Array, logits.rows);
  const params = wanted ? new Float64Array(logitParameters.length) : null;
  const start = (job: number) =>
    pairLoss(core(), {
      variant,
      geometry: logits.geometry,
      guards: guard,
      tied,
      reduction,
      tauE: logits.tauE,
      tauH: logits.tauH,
      lambda: logits.lambda,
      c: logits.c,
      clip: logits.clip,
      ...numbers,
      euclidean: shaped(unit, logits),
      hyperbolic: shaped(hyperbolic, logits),
      refEuclidean: shaped(refUnit, ref),
      refHyperbolic: shaped(ref.hyperbolic, ref),
      ...pairs,
      weights,
      loss,
      losses,
      gradEuclidean: shaped(euclidean && gradE, logits),
      gradHyperbolic: shaped(hyperbolic && gradH, logits),
      gradRefEuclidean: shaped(ref.euclidean && gradRE, ref),
      gradRefHyperbolic: shaped(ref.hyperbolic && gradRH, ref),
      gradParams: params,
      device,
      threads,
      job,
    });
  if (unit !== undefined) checkAttached(name, 'euclidean', unit);
  if (hyperbolic !== undefined) checkAttached(name, 'hyperbolic', hyperbolic);
  if (refUnit !== undefined) checkAttached(name, 'ref.euclidean', refUnit);
  if (ref.hyperbolic !== undefined) checkAttached(name, 'ref.hyperbolic', ref.hyperbolic);
  yield { start, finish: () => {} };
  if (gradE !== undefined && norms !== undefined) yield* throughNorm(name, gradE, unit!, norms);
  if (gradRE !== undefined && refNorms !== undefined) yield* throughNorm(name, gradRE, refUnit!, refNorms);
  const result: ContrastiveLossResult<T> = { loss: loss[0] as number, losses };
  if (params !== null) result.gradParams = parameters(params);
  if (gradE !== undefined) result.gradEuclidean = gradE;
  if (gradH !== undefined) result.gradHyperbolic = gradH;
  if (gradRE !== undefined) result.gradRefEuclidean = gradRE;
  if (gradRH !== undefined) result.gradRefHyperbolic = gradRH;
  return result;
}

/** Returns the unit rows of `ref.euclidean`, like {@link unitRowsOf} for the anchors. */
function* refUnitRows<T extends Reals>(
  { normalize, tied }: Logits<T>,
  rows: Matrix<T> | undefined,
): Steps<{ unit: Matrix<T> | undefined; norms?: Float64Array }> {
  if (rows === undefined) return { unit: rows };
  if (normalize) return yield* unitRows(name, 'ref.euclidean', rows);
  if (tied) yield* checkUnitRows(name, 'ref.euclidean', rows);
  return { unit: rows };
}

/**
 * Computes a contrastive loss and its gradients: NT-Xent, SupCon, decoupled, multi-similarity or Proxy-Anchor, with the
 * logits of any geometry. Each row of the batch is an anchor with any number of positives; it is compared with the
 * other rows or, if given, with the rows of `ref`. Accepts the same batches as pytorch-metric-learning, and returns the
 * same values with `geometry: 'euclidean'` and `normalize: true`.
 *
 * Memory beyond inputs and outputs grows with the number of rows and of positives in a mask, not with the number of
 * pairs. The result does not depend on the number of threads. Small losses are not lost to cancellation. An anchor
 * without positives has no term, except with `multi-similarity` and `proxy-anchor`; without negatives, a term of
 * `ntxent` is 0. A row with NaN makes the loss NaN if any anchor has a term.
 *
 * For both directions of a two-tower loss, call it twice, with `ref` and the anchors exchanged. For two views per
 * class, `ntxent` is half of {@link hybridContrastiveLoss}.
 *
 * @returns the loss, the loss of each anchor, and gradients with respect to all rows and parameters
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; `ERR_HOROBALL_UNSUPPORTED` on a CUDA device
 * @example
 * const euclidean = matrix([[1, 0], [0.6, 0.8], [0.8, 0.6], [0, 1], [-1, 0]]);
 * const labels = ['cat', 'cat', 'cat', 'dog', 'owl']; // dog and owl have no positives
 * const { loss, losses } = await contrastiveLoss({ euclidean, labels, geometry: 'euclidean', loss: 'supcon' });
 * losses[3]; // => 0
 * loss > 0; // => true
 */
export const contrastiveLoss: ContrastiveLoss = Object.assign(
  <T extends Reals>(options: ContrastiveLossOptions<T> & AsyncOptions) =>
    runSteps(name, options?.signal, () => evaluate(options)),
  {
    sync: <T extends Reals>(options: ContrastiveLossOptions<T>) =>
      runStepsSync(name, evaluate(options), options?.signal),
  },
) as ContrastiveLoss; // a cast, because the overloads of this type declare more result fields as present
