/// <reference lib="esnext.disposable" preserve="true" />
// The entry point `horoball`: the numerical core. Never imports ./train.
export type { AsyncOptions, CallOptions } from './call/run.ts';
export type { ContrastiveLossName } from './card-names.ts';
export {
  type Geometry,
  type GeometryCard,
  geometryCard,
  geometryCards,
  type Metric,
  type MetricCard,
  metricCard,
  metricCards,
} from './cards.ts';
export type { Compat, Device } from './check.ts';
export {
  type ClusteringMetrics,
  type ClusteringMetricsFunction,
  type ClusteringOptions,
  type ClusteringParameters,
  clusteringMetrics,
} from './clustering.ts';
export { contrastiveLoss } from './contrastive-loss.ts';
export {
  autoCurvature,
  type Delta,
  type DeltaMetricOptions,
  type DeltaOptions,
  type DeltaParameters,
  type GromovDelta,
  gromovDelta,
} from './delta.ts';
export { type ErrorCode, type HoroballError, isHoroballError } from './errors.ts';
export {
  type FrechetMean,
  type FrechetMeanGradients,
  type FrechetMeanOptions,
  type FrechetMeanVjpOptions,
  frechetMean,
} from './frechet-mean.ts';
export { Gallery, type GallerySearch, type SearchOptions } from './gallery/gallery.ts';
export type { IndexBuildOptions, IndexSize, ProvenNeighbors } from './gallery/lists.ts';
export { type IndexOptions, type ToInnerProductIndex, toInnerProductIndex } from './inner-product-index.ts';
export { hybridContrastiveLoss } from './loss.ts';
export type {
  ContrastiveLoss,
  ContrastiveLossOptions,
  ContrastiveLossResult,
  HybridContrastiveLoss,
  LogitOptions,
  LossChoice,
  LossOptions,
  LossParameters,
  LossReference,
  LossResult,
  LossStats,
  LossSync,
  LossValue,
  PairReduction,
  TiedLossResult,
  TiedOptions,
  UntiedLossResult,
  UntiedOptions,
  ValueOptions,
} from './loss-types.ts';
export {
  type DenseMatrix,
  type HalfArray,
  type Matrix,
  matrix,
  type NestedRows,
  type Reals,
  type Rows,
} from './matrix.ts';
export { type CoreInfo, coreInfo, ready } from './native.ts';
export {
  type NegativeOptions,
  type NegativeWeights,
  type NegativeWeightsFunction,
  negativeWeights,
} from './negatives.ts';
export { type Normalize, type NormalizeOptions, normalize } from './normalize.ts';
export * from './ops.ts';
export {
  type CurvedMetric,
  type CurvedMetricOptions,
  type FlatMetric,
  type FlatMetricOptions,
  type MetricOptions,
  type PairwiseDistance,
  type PairwiseDistanceSync,
  type PairwiseOptions,
  type PairwiseVjp,
  type PairwiseVjpOptions,
  type PairwiseVjpSync,
  pairwiseDistance,
} from './pairwise.ts';
export type { LabelColumns, PositiveMask } from './positives.ts';
export { type Candidates, type Rerank, type RerankOptions, rerank } from './rerank.ts';
export {
  type RetrievalMetrics,
  type RetrievalMetricsFunction,
  type RetrievalOptions,
  type RetrievalParameters,
  retrievalMetrics,
} from './retrieval.ts';
export {
  RiemannianAdam,
  type RiemannianAdamOptions,
  RiemannianSGD,
  type RiemannianSGDOptions,
  type StateEntry,
} from './riemannian.ts';
export type { Curved, Gradients, Kind, Operation, Vjp } from './row/operation.ts';
export {
  type Neighbors,
  type Neighbours,
  type SearchParameters,
  type TopK,
  type TopKOptions,
  topK,
} from './topk.ts';
export { type EmbedTreeOptions, embedTree, type TreeEmbedding } from './tree/embed-tree.ts';
export type { Node } from './tree/graph.ts';
export type { Labels } from './views.ts';
