/// <reference lib="esnext.disposable" preserve="true" />
// The training layer: needs libtorch, which is loaded when something of it is first used.
export {
  RiemannianAdam,
  type RiemannianAdamOptions,
  RiemannianSGD,
  type RiemannianSGDOptions,
  type StateEntry,
} from '../riemannian.ts';
export { createViT, ViT, type ViTOptions } from './backbone.ts';
export { CachedEmbeddings } from './cached.ts';
export { type Best, Checkpoint, type Position, saveWeights } from './checkpoint.ts';
export { parseConfig, publishedDefaults, type RunConfig, shapesDefaults } from './config.ts';
export { CrossBatchMemory, type Extended, type LossInputs } from './cross-batch.ts';
export { type CheckOptions, checkDataset, type DatasetCheck } from './data/check.ts';
export {
  type Dataset,
  datasetNames,
  openDataset,
  type Sample,
  type Split,
} from './data/dataset.ts';
export { imageFolder } from './data/folder.ts';
export { type ImageBatch, ImageLoader, type ImageLoaderOptions, type Skipped } from './data/loader.ts';
export { ClassBalancedSampler, type SamplerOptions } from './data/sampler.ts';
export { makeShapes, type ShapesOptions } from './data/shapes.ts';
export { Ema, emaDecay } from './ema.ts';
export { type Embedded, type EvaluateOptions, embed, evaluate, measure } from './evaluate.ts';
export { type Group, type GroupOptions, groupsOf } from './groups.ts';
export type { TrainHooks, TrainResult } from './hooks.ts';
export { Learner, type StepOutcome } from './learner.ts';
export { type Learnable, LearntScalars } from './learnt.ts';
export { train } from './loop.ts';
export {
  type ApplyOptions,
  HybridLoss,
  type HybridLossOptions,
  type LossHandle,
  type LossValues,
} from './loss.ts';
export {
  Embedder,
  type EmbedderConfig,
  type EmbedderOptions,
  type Embeddings,
  type ForwardOptions,
  type Head,
  type LoadReport,
  type Parameter,
  type Precision,
  type ViTConfig,
  vitConfigs,
} from './model.ts';
export {
  type Device,
  manualSeed,
  randomState,
  setRandomState,
  setThreads,
  type TorchInfo,
  torchAvailable,
  torchInfo,
} from './native.ts';
export { type Exported, exportOnnx } from './onnx/export.ts';
export { AdamW, type AdamWOptions, type Trainable } from './optim.ts';
export type {
  Baseline,
  Evaluation,
  EvaluationRow,
  Health,
  HealthRow,
  Recall,
  Row,
  RunRecord,
  Snapshot,
  StepRow,
} from './record.ts';
export { readRun, writeReport } from './run-folder.ts';
export { GradScaler, type GradScalerOptions, type ScalerState } from './scaler.ts';
export { learningRate, type Schedule } from './schedule.ts';
export type { Pictures } from './source.ts';
export {
  Batch,
  type Channels,
  memory,
  type NamedTensor,
  type Tensor,
  type TorchMemory,
  type WaitOptions,
} from './tensor.ts';
export { findWeights, loadWeights, type WeightsReport } from './weights/load.ts';
export { type Pulled, pullWeights } from './weights/pull.ts';
