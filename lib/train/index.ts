/// <reference lib="esnext.disposable" preserve="true" />
// The training layer. libtorch is loaded on first use.

import './run/load-run.ts';

export { ArrayAdamW, type ArrayAdamWOptions } from '../layers/array-adamw.ts';
export {
  ConcatPoincareLayer,
  type ConcatPoincareOptions,
  FromPoincare,
  HyperbolicDistanceLayer,
  HyperbolicMLR,
  type HyperbolicMLROptions,
  HypLinear,
  type HypLinearOptions,
  type LayerCallOptions,
  type LayerGradients,
  type LayerOptions,
  type LayerParameter,
  type LayerPass,
  type MapOptions,
  type SeededLayerOptions,
  ToPoincare,
  type ToPoincareOptions,
} from '../layers/layers.ts';
export { type SquareViT, vitConfigs } from '../model/vit.ts';
export { type Exported, exportOnnx } from '../onnx/export.ts';
export {
  RiemannianAdam,
  type RiemannianAdamOptions,
  RiemannianSGD,
  type RiemannianSGDOptions,
  type StateEntry,
} from '../riemannian.ts';
export { type CheckOptions, checkDataset, type DatasetCheck } from './data/check.ts';
export { type EmojiCounts, type EmojiOptions, makeEmoji } from './data/emoji/make.ts';
export { imageFolder } from './data/folder.ts';
export { type ImageBatch, ImageLoader, type ImageLoaderOptions, type Skipped } from './data/loader.ts';
export { datasetNames, openDataset } from './data/registry.ts';
export { ClassBalancedSampler, type SamplerOptions } from './data/sampler.ts';
export { makeShapes, type ShapesOptions } from './data/shapes.ts';
export type { Dataset, LabeledBatch, LabeledBatch as Pictures, Sample, Split } from './data/types.ts';
export { placeOf } from './distributed/environment.ts';
export { createViT, ViT, type ViTOptions } from './lane/backbone.ts';
export { CachedEmbeddings } from './lane/cached.ts';
export { CrossBatchMemory, type Extended } from './lane/cross-batch.ts';
export { Ema, emaDecay } from './lane/ema.ts';
export {
  Embedder,
  type Embeddings,
  type ForwardOptions,
  type LoadReport,
  type LoadRunOptions,
} from './lane/embedder.ts';
export { GradientSum, type JoinOptions, type Place, ProcessGroup, type RankGroup } from './lane/group.ts';
export type { LossInputs } from './lane/inputs.ts';
export { type ApplyOptions, HybridLoss, type LossHandle } from './lane/loss.ts';
export {
  manualSeed,
  randomState,
  setRandomState,
  setThreads,
  type TorchInfo,
  torchAvailable,
  torchInfo,
} from './lane/native.ts';
export { AdamW, type AdamWOptions, type Trainable } from './lane/optim.ts';
export { type Group, type GroupOptions, groupsOf } from './lane/parameter-groups.ts';
export { Proxies, type ProxiesOptions } from './lane/proxies.ts';
export { GradScaler } from './lane/scaler.ts';
export { Batch, memory, type Tensor } from './lane/tensor.ts';
export type {
  Channels,
  Device,
  EmbedderConfig,
  EmbedderOptions,
  GradScalerOptions,
  Head,
  HybridLossOptions,
  ImageSize,
  LossValues,
  NamedTensor,
  Parameter,
  Precision,
  ScalerState,
  TorchMemory,
  ViTConfig,
  WaitOptions,
} from './lane/types.ts';
export { type Embedded, type EvaluateOptions, embed, evaluate, measure } from './measure/evaluate.ts';
export type { Baseline, Evaluation, Health, Recall, Snapshot } from './measure/types.ts';
export type { Learnable, RunConfig, RunOptions } from './options/options.ts';
export { parseConfig, publishedDefaults, shapesDefaults } from './options/resolve.ts';
export { writeReport } from './report/run/write.ts';
export { type Best, Checkpoint, type Position } from './run/checkpoint.ts';
export type { RunEnd, RunListener, RunResult, TrainHooks } from './run/hooks.ts';
export { LearnableScalars, LearnableScalars as LearntScalars } from './run/learnable.ts';
export { Learner, type StepOutcome } from './run/learner.ts';
export { readRun } from './run/read.ts';
export type { EvaluationRow, HealthRow, Row, RunRecord, StepRow } from './run/record.ts';
export { learningRate, type Schedule } from './run/schedule.ts';
export type { RunSummary } from './run/summary.ts';
export { saveWeights } from './run/trained-weights.ts';
export { type TrainResult, train } from './train.ts';
export { findWeights, type LoadWeightsOptions, loadWeights, type WeightsReport } from './weights/load.ts';
export { type Pulled, pullWeights } from './weights/pull.ts';
