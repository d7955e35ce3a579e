/// <reference lib="esnext.disposable" preserve="true" />
// The light package: the numerical core. It never imports ./train.
export type { AsyncOptions, CallOptions } from './call.ts';
export type { Compat, Device } from './check.ts';
export { autoCurvature, type Delta, type DeltaOptions, type GromovDelta, gromovDelta } from './delta.ts';
export { Gallery, type SearchOptions } from './gallery.ts';
export { type IndexOptions, type ToInnerProductIndex, toInnerProductIndex } from './index-export.ts';
export {
  type Geometry,
  type HybridContrastiveLoss,
  hybridContrastiveLoss,
  type LogitOptions,
  type LossOptions,
  type LossResult,
  type LossStats,
} from './loss.ts';
export { type Matrix, matrix, type Reals, type Rows } from './matrix.ts';
export { type CoreInfo, coreInfo } from './native.ts';
export {
  type NegativeOptions,
  type NegativeWeights,
  type NegativeWeightsFunction,
  negativeWeights,
} from './negatives.ts';
export type { Curved, Gradients, Kind, Operation, Vjp } from './operation.ts';
export * from './ops.ts';
export {
  type Metric,
  type MetricOptions,
  type PairwiseDistance,
  type PairwiseOptions,
  type PairwiseVjp,
  type PairwiseVjpOptions,
  pairwiseDistance,
} from './pairwise.ts';
export {
  type RetrievalMetrics,
  type RetrievalMetricsFunction,
  type RetrievalOptions,
  retrievalMetrics,
} from './retrieval.ts';
export {
  RiemannianAdam,
  type RiemannianAdamOptions,
  RiemannianSGD,
  type RiemannianSGDOptions,
  type StateEntry,
} from './riemannian.ts';
export { type Neighbours, type TopK, type TopKOptions, topK } from './topk.ts';
export type { Labels } from './views.ts';
