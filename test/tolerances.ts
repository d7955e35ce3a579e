// All tolerances of tests that are not on cards: errors of references, and bounds for quantities without a card.
// test/sources.test.ts rejects tolerances in other files.
import type { Tolerance } from '../lib/cards.ts';
import type { RealsType } from './support.ts';

/**
 * The error that a card allows in this type. `ofReference`: the error of the float64 reference that the result is compared
 * with, an entry of {@link referenceError}; ignored for float32, whose bound is much larger.
 */
export const allowed = (type: RealsType, { float32, float64 }: Tolerance, ofReference = 0): number =>
  type === Float64Array ? float64 + ofReference : float32;

/** Relative errors of the references with which results are compared. */
export const referenceError = {
  /** Central differences: of formulas in general, and of nearly linear functions. */
  differences: 9e-8,
  nearlyLinear: 8e-9,
  /** Rounding of central differences, relative to the sum of the absolute terms. */
  roundingOfDifferences: 1e-9,
  /** Five-point differences; and seven-point differences of formulas that are smooth on the scale of the step. */
  fivePoints: 4e-8,
  sevenPoints: 1e-9,
  /** Seven-point differences with the small steps that are needed if the logits are multiplied by 1,000. */
  steepTerms: 5e-8,
  /** Differences of an iterative mean of points that are 1e-4 from the rim. */
  differencesNearRim: 1e-5,
  /** Results of geoopt, and of the published code. */
  geoopt: 2e-12,
  published: 9e-12,
  /** Results of the layers of the published code, with its guards. */
  layers: { float32: 1e-5, float64: 1e-9 },
  /** Losses of pytorch-metric-learning. */
  metricLearning: { float32: 1e-5, float64: 1e-11 },
  /** Published formulas without guards against cancellation, near the rim and near the origin. */
  unguarded: 9e-10,
  /** Closed forms in float64, and sums of many terms. */
  closedForms: 3e-13,
  sums: 5e-13,
  /** Midpoints of points that are 1e-3 and 1e-13 from the rim: rounding moves the points themselves. */
  midpointNearRim: 9e-14,
  midpointAtRim: 9e-8,
  /** The closed form for c -> 0, as a reference for results at c = 1e-9. */
  smallCurvature: 9e-9,
  /** The same, as a reference for results at any small c; a multiple of c. */
  perCurvature: 89,
  /** Distances on the hyperboloid by arcosh of inner products, which cancel. */
  hyperboloidProducts: { float32: 1e-3, float64: 1e-9 },
} as const;

/** Bounds of results of the core that have no card. */
export const coreError = {
  /** Results that differ only in the order of additions, or in how a division is written. */
  rounding: { float32: 2e-7, float64: 1e-15 },
  /** The norm of a float64 gradient that is zero up to rounding. */
  zeroGradient: 1e-12,
  /** Gromov's delta: relative to delta, relative to the largest distance, and on a device compared with the CPU. */
  delta: { float32: 1e-6, float64: 1e-12 },
  deltaPerDistance: { float32: 1e-6, float64: 1e-13 },
  deltaOnDevice: { float32: 1e-4, float64: 1e-10 },
  /** Curvatures by the gamma function, and by its limit in 1e7 dimensions. */
  gamma: 1e-14,
  gammaLimit: 1e-5,
  /** Probabilities of positives and weights of negatives, in general, and for few anchors or classes. */
  negatives: 1e-11,
  negativesOfFew: 1e-12,
  /** Derivatives along a step onto the rim, as pairs of the start's relative distance from the rim and the bound. */
  ontoRim: [
    [1e-2, 1e-10],
    [1e-3, 1e-9],
    [1e-5, 1e-5],
  ],
  /** Mean ranks, precisions and distances of an embedded tree; and values after a step of an optimizer. */
  tree: 1e-9,
} as const;

/** Bounds of float32 networks, which have no card. */
export const networkError = {
  /** Relative deviation of Adam's first step from the learning rate, due to its epsilon and to rounding of the weight. */
  firstStep: 1e-3,
  firstStepOfScalar: 1e-4,
  /** The loss and its gradients, with batches, chunks or ranks in another order. */
  order: 1e-6,
  orderOfGradients: 1e-5,
  /** Likewise, gradients with respect to scalar parameters of the loss, in which terms cancel, and the loss after steps. */
  orderOfParameters: 5e-5,
  orderAfterSteps: 1e-4,
  /** A loss in float64 that is divided among ranks. */
  divided: 1e-13,
  /** Retrieval metrics whose queries are divided among ranks. */
  dividedMetrics: 1e-14,
  /** Layers compared with float64 formulas or another implementation, and their gradients. */
  layers: 1e-5,
  layerGradients: 1e-4,
  /** Whole networks compared with timm, and the outputs of their exported graphs. */
  network: 1e-4,
  /** The head's formula on exact features, and its derivative with respect to c. */
  head: 2e-6,
  headCurvature: 1e-5,
  /** An update of the optimizer with its groups, compared with PyTorch. */
  updates: 1e-3,
  /** Norms of unit rows, compared with 1. */
  unit: 1e-5,
  /** Sums over a tensor's elements in float64, per element. */
  checksum: 1e-9,
  /** Three steps on a device compared with the CPU: losses and weights, gradients, and the gradient of c. */
  device: 3e-3,
  deviceGradients: 1e-2,
  deviceCurvature: 2e-2,
  /** Embeddings that transformers.js computes, for every storage type of the weights. */
  stored: 1e-3,
  /** Outputs of a network whose weights are stored in 16 or 8 bits. */
  storedHalf: 1e-3,
  storedBytes: 3e-2,
  /** Results of matrix products in bfloat16, and gradients. */
  bfloat16: 2e-2,
  bfloat16Gradients: 5e-2,
  /** Recall@1 after training on a device, compared with the CPU. */
  deviceRecall: 0.15,
} as const;

/**
 * Errors of gyrovector identities per coordinate, in units of the rounding error of max(r, |coordinate|) with
 * r = min(100, radius of the ball).
 */
export const identityError = {
  /** One rounding error: that of float32, and that of float64 with a small margin. */
  rounding: { float32: 6e-8, float64: 2e-16 },
  exact: 0,
  /** Several operations in sequence, and those whose errors add up over several gyrations or sections of a geodesic. */
  composed: 10,
  repeated: 30,
  /** Inner products after a transport along a geodesic, and lengths of tangent vectors where the conformal factor is large. */
  innerProducts: 50,
  lengths: 100,
  /** Error of the point after a hundred huge steps and their reversal, relative to the ball's radius. */
  afterHugeSteps: { float32: 0.2, float64: 0.01 },
} as const;

/** Closed forms of the logit of two samples with a tied head, compared with the oracle's head and distances. */
export const tiedError = {
  radius: 1e-13,
  logit: 1e-11,
  /** Central differences of the logit. */
  slope: 1e-6,
  /** Relative tolerance of the largest error of the distance's linear approximation. */
  worst: 1e-3,
  /** Minimum fraction by which the largest error of any other line is greater. */
  otherLines: 1e-6,
} as const;

/** Bounds of measurements, statistics, schedules and reports, compared with exact or published values. */
export const statedError = {
  /** A few operations in float64. */
  arithmetic: 1e-12,
  /** An exponent fitted to a power law, and a curvature computed from a printed delta. */
  fit: 1e-9,
  curvature: 1e-9,
  /** Student's distribution, compared with tables; the normal distribution; and values with five published digits. */
  student: 2e-5,
  normal: 1e-9,
  fiveDigits: 1e-5,
  /** Bounds of a resampled interval of 256 values, as a fraction of half its width. */
  resampled: 0.1,
  /** A learnable scalar after steps to its optimum, and its gradient compared with differences of a float32 loss. */
  optimum: 1e-3,
  singleDifferences: 2e-3,
  /** Luminance of colors with 8 bits per channel, and numbers as a page shows them. */
  colors: 1e-4,
  shown: 1e-4,
  /** Health metrics of float32 embeddings: radii, and fractions of values at a limit. */
  health: 1e-6,
  /** Mean distances between float32 embeddings, in general and near the boundary of the ball. */
  means: 1e-4,
  farMean: 1e-3,
  /** Alignment and uniformity of float32 embeddings. */
  alignment: 1e-5,
  uniformity: 2e-5,
  /** Probabilities of negatives in float32, and those at a temperature at which all are nearly equal. */
  shares: 2e-3,
  equalShares: 0.01,
  /** Radii and distances of a projection onto the disk, and the fraction of the variance that it explains. */
  projection: 1e-9,
  /**
   * Error of int8 weights as a fraction of their channel's quantization step, and an absolute allowance, because
   * subnormal steps are inexact.
   */
  halfStep: 0.5001,
  subnormal: 1e-40,
  /** Bytes allocated or sent by a rank, compared with a formula. */
  bytes: 0.1,
} as const;

/** Relative errors of the peers in `bench/suites`, compared with the core. */
export const peerError = {
  /** Float32 distances at the corners of the matrix, and their gradients. */
  distances: 1e-5,
  /** Losses by pairs, and losses against proxies, whose logits are 32 times a cosine. */
  loss: 1e-5,
  proxyLoss: 1e-4,
  /** Gromov's delta of the peer. */
  delta: 1e-5,
  /** Indices of neighbors, which must be equal. */
  ranking: 0,
  /** Retrieval metrics, by the same distance and by another one that has the same ranking up to rounding. */
  metrics: 1e-4,
  metricsOfOtherDistance: 1e-3,
} as const;
