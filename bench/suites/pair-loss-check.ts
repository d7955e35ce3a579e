import {
  type ContrastiveLossOptions,
  contrastiveLoss,
  type LossReference,
  type Matrix,
  matrix,
} from '../../lib/index.ts';
import { type LogitNumbers, pairLoss, type SimilarityNumbers, slopeOf } from '../../test/oracle.ts';
import { difference, type OwnSide } from '../suite.ts';
import { apart, inner, limitsOf, moved, step, within } from './loss-check.ts';
import { asType } from './product.ts';

export type PairLossNumbers = LogitNumbers & SimilarityNumbers;

interface Labeled {
  readonly labels: Int32Array;
}

/** A side with its call options, and the same parameters for the oracle. */
export interface CheckedPairLoss extends OwnSide {
  readonly options: ContrastiveLossOptions & Labeled & { readonly ref?: LossReference & Labeled };
  readonly numbers: PairLossNumbers;
}

/** Number of rows for the oracle, which loops over all pairs. */
const checkedRows = 60;
/** Every gradient, with the seed of the direction along which its rows move. */
const seeds = { gradEuclidean: 21, gradHyperbolic: 22, gradRefEuclidean: 23, gradRefHyperbolic: 24 } as const;
const gradients = Object.keys(seeds) as (keyof typeof seeds)[];

/**
 * Checks a side in float64 against the oracle on the first rows (the value, and a directional derivative by seven-point
 * differences) and, if it is float32, at full size against float64 (value and every gradient).
 */
export function checkPairLoss(side: CheckedPairLoss): void {
  checkOracle(side);
  const { name, options, labels } = side;
  if (labels.type === 'float64') return;
  const exact = contrastiveLoss.sync(changed(options, (rows) => asType(rows, 'float64')));
  const found = contrastiveLoss.sync(options);
  const { value, gradient } = limitsOf(options.geometry).float32;
  within(`${name}, float32 value`, difference([found.loss], [exact.loss]), value);
  for (const key of gradients) {
    if (exact[key] !== undefined)
      within(`${name}, float32 ${key}`, apart(found[key]!.data, exact[key].data), gradient);
  }
}

function checkOracle({ name, options, numbers }: CheckedPairLoss): void {
  const { geometry = 'hybrid', loss = 'ntxent' } = options;
  const small = changed(options, firstRows, firstLabels);
  const { labels, ref } = small;
  const isPositive = (i: number, j: number) => labels[i] === (ref?.labels ?? labels)[j];
  const formula = { ...numbers, geometry, loss, reduction: 'mean', isPositive };
  const oracle = (by: number) =>
    pairLoss(
      heads(small, by, [seeds.gradEuclidean, seeds.gradHyperbolic]),
      ref === undefined ? null : heads(ref, by, [seeds.gradRefEuclidean, seeds.gradRefHyperbolic]),
      formula,
    );
  const found = contrastiveLoss.sync(small);
  const { value, gradient } = limitsOf(geometry).float64;
  within(`${name}, float64 value`, difference([found.loss], [oracle(0)]), value);
  let along = 0;
  for (const key of gradients) {
    if (found[key] !== undefined) along += inner(found[key], seeds[key]);
  }
  within(`${name}, float64 gradient`, difference([along], [slopeOf(oracle, step)]), gradient);
}

const firstRows = ({ data, cols }: Matrix) =>
  matrix(Float64Array.from(data.subarray(0, checkedRows * cols)), checkedRows, cols);

/** Returns the first labels modulo the number of rows; otherwise, few of the first rows would share a label. */
const firstLabels = (labels: Int32Array) =>
  labels.subarray(0, checkedRows).map((label) => label % checkedRows);

interface Rows {
  readonly euclidean?: Matrix | undefined;
  readonly hyperbolic?: Matrix | undefined;
}

/** Returns the rows as samples, each displaced by `by` times a random direction with the given seeds. */
function heads({ euclidean, hyperbolic }: Rows, by: number, [ofE, ofH]: [number, number]) {
  const h = moved(hyperbolic, by, ofH);
  return moved(euclidean, by, ofE).map((e, i) => ({ e, h: h[i] ?? [] }));
}

/** Returns the options with changed anchors and references, without the matrices for gradients. */
function changed(
  { out: _, ...options }: CheckedPairLoss['options'],
  change: (rows: Matrix) => Matrix,
  relabel = (labels: Int32Array) => labels,
): CheckedPairLoss['options'] {
  const each = <T extends Rows & Labeled>(side: T) => {
    const { euclidean, hyperbolic, labels } = side;
    return {
      ...side,
      ...(euclidean === undefined ? {} : { euclidean: change(euclidean) }),
      ...(hyperbolic === undefined ? {} : { hyperbolic: change(hyperbolic) }),
      labels: relabel(labels),
    };
  };
  const { ref } = options;
  return { ...each(options), ...(ref === undefined ? {} : { ref: each(ref) }) };
}
