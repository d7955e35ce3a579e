import { boolean, checkCallback, checkOptions, finite, instance, integer, readOptions } from '../../check.ts';
import { coded, typeError } from '../../errors.ts';
import { ClassTree } from '../data/class-tree.ts';
import type { LabeledBatch } from '../data/types.ts';
import type { SteppedEmbeddings } from '../lane/cached.ts';
import { CrossBatchMemory } from '../lane/cross-batch.ts';
import { Ema, emaDecay } from '../lane/ema.ts';
import type { Embedder, Embeddings } from '../lane/embedder.ts';
import { checkGroup, type RankGroup } from '../lane/group.ts';
import { checkInputs, checkSquareImages, type LossInputs } from '../lane/inputs.ts';
import { type ApplyOptions, type HybridLoss, LossHandle } from '../lane/loss.ts';
import type { AdamW } from '../lane/optim.ts';
import type { Proxies } from '../lane/proxies.ts';
import { GradScaler } from '../lane/scaler.ts';
import { Batch } from '../lane/tensor.ts';
import { type TreeLoss, TreeTerms, type TreeValues } from '../lane/tree-loss.ts';
import type { LossValues, ScalerState } from '../lane/types.ts';
import type { RunConfig } from '../options/options.ts';
import { configError, learnableNames, parseConfig } from '../options/resolve.ts';
import { agree } from './agreement.ts';
import { backwardInChunks, embedInChunks } from './chunked-pass.ts';
import { createEmbedder, createLoss, createOptimizer, createProxies, createTreeLoss } from './construct.ts';
import { divergenceText } from './divergence.ts';
import { LearnableScalars } from './learnable.ts';
import type { StepBatch } from './source.ts';
import { neverStops, type StopPoints } from './stop.ts';

/** Rows of a batch, followed by rows of the cross-batch memory. */
interface Rows extends LossInputs, Disposable {
  labels: Int32Array;
  /** Factor for the loss. With it, the ranks' gradients sum to the gradient of a mean over the classes of the batch. */
  factor: number;
}

/** The rows that the loss reads: those of all ranks, or of this rank if each rank computes a loss of its own. */
interface Whole extends LossInputs, Disposable {
  labels: Int32Array;
}

/** Options of {@link Learner.finish}. */
export interface FinishOptions {
  lr: number;
  factor: number;
  wantPoints: boolean;
  /** The losses on the class tree. */
  tree?: TreeTerms | null;
  /** Whether a stop was requested on this rank. */
  stop?: boolean;
}

/** The result of a training step. */
export interface StepOutcome {
  loss: LossValues;
  /** Gradient norm before clipping, or after it if `compat` clips scaled gradients; null if it overflowed. */
  gradNorm: number | null;
  /** State of the loss scaler (float16 only). */
  scaler: (ScalerState & { overflowed: boolean }) | null;
  /** The losses on the class tree, if the run has them. */
  tree?: TreeValues | null;
  /** Ball points of the batch (rows x dim), if requested. */
  points: Float32Array | null;
  /** Whether a stop was requested on any rank. */
  stop?: boolean;
}

/** The network of a run, its loss, optimizer and other training state; a `Checkpoint` stores the state that changes. */
export class Learner implements Disposable {
  readonly embedder: Embedder;
  readonly loss: HybridLoss;
  readonly optimizer: AdamW;
  readonly scaler: GradScaler | null;
  readonly ema: Ema | null;
  readonly learnables: LearnableScalars;
  readonly memory: CrossBatchMemory | null;
  readonly proxies: Proxies | null;
  readonly #treeLoss: TreeLoss | null;
  readonly #tree: ClassTree | null;
  readonly #config: RunConfig;
  readonly #group: RankGroup;
  readonly #isPerRank: boolean;
  readonly #gradientSum: ReturnType<RankGroup['gradientSum']>;
  /** Loss scale of the current step. */
  #scale: number;
  /** Number of calls of `averaged` in progress; during these, the network has the EMA weights. */
  #averaging = 0;

  private constructor(
    config: RunConfig,
    embedder: Embedder,
    group: RankGroup,
    proxies: Proxies | null,
    tree: ClassTree | null,
  ) {
    const { t_e, t_h, hyp_c, memory, num_samples: views, emb: dim } = config;
    this.#config = config;
    this.#group = group;
    this.#isPerRank = isPerRank(config, group);
    this.#gradientSum = group.gradientSum(embedder);
    this.#scale = config.precision === 'float16' ? config.loss_scale : 1;
    this.embedder = embedder;
    this.loss = createLoss(config, embedder);
    this.#treeLoss = createTreeLoss(config, this.loss);
    this.#tree = tree;
    this.proxies = proxies;
    this.optimizer = createOptimizer(config, embedder, proxies);
    this.scaler = config.precision === 'float16' ? new GradScaler({ scale: config.loss_scale }) : null;
    this.ema = config.ema === null ? null : new Ema(embedder);
    const initial = { t_e, t_h, hyp_c };
    this.learnables = new LearnableScalars({
      names: learnableNames(config),
      initial,
      range: config.learn_range,
    });
    this.memory = memory === 0 ? null : new CrossBatchMemory({ classes: memory, views, dim });
    this.follow(null);
  }

  /**
   * Creates the network of a run with its initial weights, and the other training state.
   * @param note - receives messages about adapted weights and published behavior
   * @param group - the ranks that train the network together: each batch then has only the rows of this rank
   * @param labels - labels of the training images, for a loss with proxies
   * @param tree - the class tree of the data set, for the option `tree`
   * @throws `ERR_HOROBALL_CONFIG` for `memory` with `compat` in a group, because a checkpoint has only the rows of rank 0;
   * for the option `tree` in a group or without a class tree; for a loss with proxies if `labels` is null
   */
  static async create(
    given: RunConfig,
    note: (text: string) => void = () => {},
    group: RankGroup | null = null,
    labels: Int32Array | null = null,
    tree: ClassTree | null = null,
  ): Promise<Learner> {
    checkCallback('learner.create', 'note', note);
    const ranks = checkGroup('learner.create', group);
    const config = parseConfig({ ...checkOptions('learner.create', given, 'config') });
    if (tree !== null) instance('learner.create', 'tree', tree, ClassTree);
    checkTree(config, ranks, tree);
    if (isPerRank(config, ranks) && config.memory > 0) {
      const got = `compat hypmix and ${ranks.size} processes, got ${config.memory}`;
      throw configError(`[train] memory: expected 0 with ${got}. Omit one of the options.`);
    }
    const embedder = await createEmbedder(config, note);
    if (config.precision === 'float16' && config.compat === 'hypmix' && config.clip_grad !== null)
      note(
        `compat hypmix clips the scaled gradients at ${config.clip_grad}, like the published code, so steps are smaller than clip_grad suggests`,
      );
    if (labels !== null) instance('learner.create', 'labels', labels, Int32Array);
    try {
      return new Learner(config, embedder, ranks, createProxies(config, embedder, labels), tree);
    } catch (error) {
      embedder.dispose();
      throw error;
    }
  }

  /** Number of ranks that train the network together. */
  get ranks(): number {
    return this.#group.size;
  }

  /**
   * Queues the forward pass of a batch; with gradient caching, of its chunks without a graph.
   * @param prefetched - the same batch on the device; the caller disposes of it
   * @param stop - called where the pass can stop early, between the chunks of gradient caching
   */
  async embed(
    samples: LabeledBatch,
    prefetched: Batch | null = null,
    stop: StopPoints = neverStops,
  ): Promise<Embeddings | SteppedEmbeddings> {
    checkOptions('learner.embed', samples, 'samples');
    if (prefetched !== null) return this.embedder.forward(prefetched);
    const whole = (): Embeddings => {
      using batch = this.batch(samples);
      return this.embedder.forward(batch);
    };
    const { chunk } = this.#config;
    return chunk === null ? whole() : await embedInChunks(this.embedder, samples, chunk, stop, whole);
  }

  /** Queues the transfer of images `first` to `end` - 1. */
  batch(samples: LabeledBatch, first: number = 0, end?: number): Batch {
    const { images, count, size } = checkSquareImages('learner.batch', samples);
    integer('learner.batch', 'first', first, 0, count - 1);
    const last = end === undefined ? count : integer('learner.batch', 'end', end, first + 1, count);
    const { model, device } = this.embedder.config;
    const length = size * size * 3;
    const bytes = images.subarray(first * length, last * length);
    return Batch.from(bytes, { count: last - first, size }, model.mean, model.std, device);
  }

  /** Queues a gather of all ranks' rows, unless the batch already has them or the loss only compares this rank's rows. */
  gather(embeddings: LossInputs, batch: StepBatch): Whole {
    const { euclidean, hyperbolic } = checkInputs('learner.gather', embeddings);
    const { labels, whole } = checkOptions('learner.gather', batch, 'batch');
    if (whole === undefined || this.#isPerRank)
      return { euclidean, hyperbolic, labels, [Symbol.dispose]: () => {} };
    const all = {
      euclidean: this.#group.gatherRows(euclidean, whole.counts),
      hyperbolic: this.#group.gatherRows(hyperbolic, whole.counts),
    };
    const dispose = (): void => {
      all.euclidean.dispose();
      all.hyperbolic.dispose();
    };
    return { ...all, labels: whole.labels, [Symbol.dispose]: dispose };
  }

  /**
   * Returns the inputs of the loss: the rows of the batch, followed by the rows of other classes in the cross-batch memory.
   */
  compared(embeddings: LossInputs, labels: Int32Array): Rows {
    if (this.memory !== null && this.memory.size > 0) return this.memory.extend(embeddings, labels);
    const { euclidean, hyperbolic } = checkInputs('learner.compared', embeddings);
    const factor = this.#isPerRank ? 1 / this.#group.size : 1;
    return { euclidean, hyperbolic, labels, factor, [Symbol.dispose]: () => {} };
  }

  /** Queues the losses on the class tree, and adds them to the objective; null if the run has no such losses. */
  addTree(objective: LossHandle, embeddings: LossInputs, labels: Int32Array): TreeTerms | null {
    instance('learner.addTree', 'objective', objective, LossHandle);
    const inputs = checkInputs('learner.addTree', embeddings);
    instance('learner.addTree', 'labels', labels, Int32Array);
    if (this.#treeLoss === null) return null;
    const { loss, reduction, num_samples: views } = this.#config;
    // The weights are relative to a mean over the ordered pairs of views; a sum is larger by the number of these pairs.
    const scale = loss === 'views' && reduction === 'sum' ? views * (views - 1) : 1;
    return this.#treeLoss.addTo(objective, inputs, this.#tree!.batch(labels), scale);
  }

  /** Returns the temperatures, the curvature and the other options of the loss in this step. */
  scalars(): Required<ApplyOptions> {
    const { learnables } = this;
    return {
      tauE: learnables.value('t_e'),
      tauH: learnables.value('t_h'),
      c: learnables.value('hyp_c'),
      proxies: this.proxies,
      gradParams: learnables.any,
      divide: true,
    };
  }

  /**
   * Queues the backward pass and, in a group, the sum of the gradients over the ranks.
   * @param stop - called where the pass can stop early, between the chunks of gradient caching
   */
  async backward(
    objective: LossHandle,
    embeddings: LossInputs,
    factor: number,
    stop: StopPoints = neverStops,
  ): Promise<void> {
    instance('learner.backward', 'objective', objective, LossHandle);
    checkInputs('learner.backward', embeddings);
    await backwardInChunks(embeddings, this.#config.chunk !== null, stop, this.#gradientSum, () => {
      if (this.scaler === null) objective.backward(factor);
      else this.scaler.backward(objective, factor);
    });
    this.#gradientSum.finish();
  }

  /**
   * Queues clipping, the optimizer step, and the updates of the loss scale and the EMA. Gradients are unscaled before
   * clipping, except that `compat` hypmix clips scaled gradients, as published.
   */
  update(lr: number, step: number): void {
    finite('learner.update', 'lr', lr);
    integer('learner.update', 'step', step, 1, Number.MAX_SAFE_INTEGER);
    this.checkTrained('learner.update');
    const { optimizer, scaler, ema } = this;
    const { clip_grad, compat } = this.#config;
    if (compat !== 'hypmix') scaler?.unscale(optimizer);
    if (clip_grad !== null) optimizer.clipGradNorm(clip_grad);
    if (scaler === null) optimizer.step({ lr });
    else {
      scaler.step(optimizer, { lr });
      scaler.update();
    }
    ema?.update(emaDecay(this.#config.ema!, step));
  }

  /**
   * Waits for the step, then updates learnable temperatures and curvature, and the cross-batch memory.
   * @throws `ERR_HOROBALL_DIVERGED` if the loss or a gradient is not finite; a gradient that overflowed in float16 only skips
   * the step
   */
  async finish(
    objective: LossHandle,
    embeddings: LossInputs,
    labels: Int32Array,
    options: FinishOptions,
  ): Promise<StepOutcome> {
    instance('learner.finish', 'objective', objective, LossHandle);
    checkInputs('learner.finish', embeddings);
    const {
      lr,
      factor,
      wantPoints,
      tree = null,
      stop = false,
    } = readOptions('learner.finish', options, ['lr', 'factor', 'wantPoints', 'tree', 'stop']);
    if (tree !== null) instance('learner.finish', 'tree', tree, TreeTerms);
    for (const [name, value] of Object.entries({ lr, factor })) finite('learner.finish', name, value);
    for (const [name, value] of Object.entries({ wantPoints, stop }))
      boolean('learner.finish', name, value, false);
    const { optimizer, scaler, memory } = this;
    const norm = optimizer.gradNorm(); // rejects if an earlier operation failed
    optimizer.zeroGrad();
    const [gradNorm, loss, treeValues, scaled, headGradient, euclidean, hyperbolic] = await Promise.all([
      norm,
      objective.read(),
      tree?.read() ?? null,
      scaler?.state() ?? null,
      this.learnables.has('hyp_c') ? this.embedder.curvatureGradient() : 0,
      memory ? embeddings.euclidean.data() : null,
      memory || wantPoints ? embeddings.hyperbolic.data() : null,
    ]);
    const agreed = await agree(this.#group, this.#isPerRank, { loss, headGradient, stop });
    const { gradParams, ...values } = agreed.loss;
    if (!scaled?.overflowed) this.#learn(gradParams, factor, agreed.headGradient, lr);
    this.follow(scaled);
    if (euclidean && hyperbolic) memory?.remember(euclidean, hyperbolic, labels);
    return {
      loss: values,
      gradNorm: Number.isFinite(gradNorm) ? gradNorm : null,
      scaler: scaled,
      tree: treeValues,
      points: wantPoints ? hyperbolic : null,
      stop: agreed.stop,
    };
  }

  /** Finds the first part of the network with a non-finite output for these images; null if all are finite. */
  async firstNotFinite(samples: LabeledBatch): Promise<string | null> {
    const { count } = checkSquareImages('learner.firstNotFinite', samples);
    const chunk = this.#config.chunk ?? count;
    for (let first = 0; first < count; first += chunk) {
      using batch = this.batch(samples, first, Math.min(count, first + chunk));
      const where = await this.embedder.firstNotFinite(batch);
      if (where !== null) return where;
    }
    return null;
  }

  /** Adds the step and the first non-finite part to the error of a diverged step; returns other errors unchanged. */
  async explain(error: unknown, step: number, samples: LabeledBatch): Promise<unknown> {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_HOROBALL_DIVERGED') return error;
    const what = (error as Error).message.replace(/^\[.*?\] /, '');
    const where = await this.firstNotFinite(samples);
    return coded('ERR_HOROBALL_DIVERGED', divergenceText(step, what, where));
  }

  /** Runs `work` with the EMA weights in the network, if EMA is enabled. Calls may overlap. */
  async averaged<T>(work: () => Promise<T>): Promise<T> {
    checkCallback('learner.averaged', 'work', work ?? null);
    if (this.#averaging === 0) this.ema?.swap();
    this.#averaging += 1;
    try {
      return await work();
    } finally {
      this.#averaging -= 1;
      if (this.#averaging === 0) this.ema?.swap();
    }
  }

  /** @internal Throws while a call of `averaged` has the EMA weights in the network. */
  checkTrained(operation: string): void {
    if (this.ema === null || this.#averaging === 0) return;
    throw typeError(operation, 'learner', 'no call of averaged() in progress', 'one that has not settled');
  }

  /** Applies the loss scale and the learnable curvature to the next step. */
  follow(scaler: ScalerState | null): void {
    if (scaler !== null)
      this.#scale = finite('learner.follow', 'scale', checkOptions('learner.follow', scaler, 'scaler').scale);
    if (this.learnables.has('hyp_c'))
      this.embedder.setCurvature(this.learnables.value('hyp_c'), { learnable: true });
  }

  dispose(): void {
    this.ema?.dispose();
    this.scaler?.dispose();
    this.#gradientSum.dispose();
    this.optimizer.dispose();
    this.proxies?.dispose();
    this.embedder.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #learn(gradParams: LossValues['gradParams'], factor: number, headGradient: number, lr: number): void {
    if (gradParams === undefined) return;
    const { tauE, tauH, c } = gradParams;
    const gradients = {
      t_e: factor * tauE,
      t_h: factor * tauH,
      hyp_c: factor * c + headGradient / this.#scale,
    };
    if (!Object.values(gradients).every(Number.isFinite))
      throw coded('ERR_HOROBALL_DIVERGED', '[train] the gradient of t_e, t_h or hyp_c is not finite');
    this.learnables.update(gradients, (this.#config.learn_lr * lr) / this.#config.lr);
  }
}

/**
 * Checks the option `tree`.
 * @throws `ERR_HOROBALL_CONFIG` if it is set without a class tree, or with several ranks
 */
function checkTree({ tree, ds }: RunConfig, { size }: RankGroup, found: ClassTree | null): void {
  if (tree === null) return;
  if (size > 1)
    throw configError(`[train] tree: expected a single process, got ${size}. Omit --tree or --nproc.`);
  if (found !== null) return;
  const how = "Use nested folders, a CSV file with a column 'tree', or the data set 'shapes' or 'emoji'.";
  throw configError(`[train] tree: expected a data set with a class tree, got ${ds} without one. ${how}`);
}

function isPerRank(config: RunConfig, { size }: RankGroup): boolean {
  return dependsOnRanks(config) && size > 1;
}

/** Whether each rank computes the loss of its own rows only and the ranks average their gradients, as published. */
export function dependsOnRanks({ compat, loss }: RunConfig): boolean {
  return compat === 'hypmix' && loss === 'views';
}
