import { coded } from '../errors.ts';
import { CachedEmbeddings } from './cached.ts';
import { learntNames, type RunConfig } from './config.ts';
import { createEmbedder, createLoss, createOptimizer } from './construct.ts';
import { CrossBatchMemory, type LossInputs } from './cross-batch.ts';
import { Ema, emaDecay } from './ema.ts';
import { LearntScalars } from './learnt.ts';
import type { ApplyOptions, HybridLoss, LossHandle, LossValues } from './loss.ts';
import type { Embedder, Embeddings } from './model.ts';
import type { AdamW } from './optim.ts';
import { GradScaler, type ScalerState } from './scaler.ts';
import type { Pictures } from './source.ts';
import { Batch } from './tensor.ts';

/** Rows of a batch, with what the loss compares them to below them. */
interface Rows extends LossInputs, Disposable {
  labels: Int32Array;
  /** Of the loss, so that it stays a mean over the batch's classes. */
  factor: number;
}

/** What a step came to. */
export interface StepOutcome {
  loss: LossValues;
  /** Norm of the gradient before clipping (after it, where `compat` clips it scaled); null where it overflowed. */
  gradNorm: number | null;
  /** float16 only. */
  scaler: (ScalerState & { overflowed: boolean }) | null;
  /** The batch's points of the ball, row after row, where they were asked for. */
  points: Float32Array | null;
}

/** All that a run trains and trains with: what of it changes from step to step is what a checkpoint holds. */
export class Learner implements Disposable {
  readonly embedder: Embedder;
  readonly loss: HybridLoss;
  readonly optimizer: AdamW;
  readonly scaler: GradScaler | null;
  readonly ema: Ema | null;
  readonly learnt: LearntScalars;
  readonly memory: CrossBatchMemory | null;
  readonly #config: RunConfig;
  /** What the loss is multiplied with in the step under way. */
  #scale: number;

  private constructor(config: RunConfig, embedder: Embedder) {
    const { t_e, t_h, hyp_c, memory, num_samples: views, emb: dim } = config;
    this.#config = config;
    this.#scale = config.precision === 'float16' ? config.loss_scale : 1;
    this.embedder = embedder;
    this.loss = createLoss(config, embedder);
    this.optimizer = createOptimizer(config, embedder);
    this.scaler = config.precision === 'float16' ? new GradScaler({ scale: config.loss_scale }) : null;
    this.ema = config.ema === null ? null : new Ema(embedder);
    const initial = { t_e, t_h, hyp_c };
    this.learnt = new LearntScalars({ names: learntNames(config), initial, range: config.learn_range });
    this.memory = memory === 0 ? null : new CrossBatchMemory({ classes: memory, views, dim });
    this.follow(null);
  }

  /** @param note - hears how a weights file was made to fit, and what is done the published way */
  static async create(config: RunConfig, note: (text: string) => void = () => {}): Promise<Learner> {
    const embedder = await createEmbedder(config, note);
    if (config.precision === 'float16' && config.compat === 'hypmix' && config.clip_grad !== null)
      note(
        `compat hypmix clips the scaled gradients at ${config.clip_grad}, as the published code does: steps are smaller than clip_grad says`,
      );
    return new Learner(config, embedder);
  }

  /**
   * Queues the forward pass: of the whole batch, or of one chunk after the other without a graph.
   * @param sent - the same pictures, where they are under way already; they stay the caller's
   */
  embed(pictures: Pictures, sent: Batch | null = null): Embeddings | CachedEmbeddings {
    if (sent !== null) return this.embedder.forward(sent);
    const { chunk } = this.#config;
    if (chunk !== null && chunk < pictures.count) return new CachedEmbeddings(this.embedder, pictures, chunk);
    using batch = this.batch(pictures);
    return this.embedder.forward(batch);
  }

  /** Pictures (or rows `first` to `end` of them) as the network takes them. */
  batch({ images, count, size }: Pictures, first: number = 0, end: number = count): Batch {
    const { model, device } = this.embedder.config;
    const length = size * size * 3;
    const bytes = images.subarray(first * length, end * length);
    return Batch.from(bytes, { count: end - first, size }, model.mean, model.std, device);
  }

  /** The rows that the loss compares: those of the batch, and below them those of other classes seen before. */
  compared(embeddings: LossInputs, labels: Int32Array): Rows {
    if (this.memory !== null && this.memory.size > 0) return this.memory.extend(embeddings, labels);
    const { euclidean, hyperbolic } = embeddings;
    return { euclidean, hyperbolic, labels, factor: 1, [Symbol.dispose]: () => {} };
  }

  /** Temperatures and curvature of this step. */
  scalars(): Required<ApplyOptions> {
    const { learnt } = this;
    return {
      tauE: learnt.value('t_e'),
      tauH: learnt.value('t_h'),
      c: learnt.value('hyp_c'),
      gradParams: learnt.any,
    };
  }

  /** Queues the backward pass. */
  backward(objective: LossHandle, embeddings: LossInputs, factor: number): void {
    if (this.scaler === null) objective.backward(factor);
    else this.scaler.backward(objective, factor);
    if (embeddings instanceof CachedEmbeddings) embeddings.backward();
  }

  /**
   * Queues what the gradients do. They are brought back to their own size before they are clipped; `compat` clips
   * them scaled, as published.
   */
  update(lr: number, step: number): void {
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
   * Waits for all of the step, and takes from its numbers what the next one needs: the temperatures and the curvature
   * move, the memory takes the batch in.
   */
  async finish(
    objective: LossHandle,
    embeddings: LossInputs,
    labels: Int32Array,
    { lr, factor, wantPoints }: { lr: number; factor: number; wantPoints: boolean },
  ): Promise<StepOutcome> {
    const { optimizer, scaler, memory } = this;
    const norm = optimizer.gradNorm(); // a failure above rejects here, before anything else is done
    optimizer.zeroGrad();
    const [gradNorm, loss, scaled, headGradient, euclidean, hyperbolic] = await Promise.all([
      norm,
      objective.read(),
      scaler?.state() ?? null,
      this.learnt.has('hyp_c') ? this.embedder.curvatureGradient() : 0,
      memory ? embeddings.euclidean.data() : null,
      memory || wantPoints ? embeddings.hyperbolic.data() : null,
    ]);
    if (!scaled?.overflowed) this.#learn(loss, factor, headGradient, lr);
    this.follow(scaled);
    if (euclidean && hyperbolic) memory?.remember(euclidean, hyperbolic, labels);
    const { gradParams: _, ...values } = loss;
    return {
      loss: values,
      gradNorm: Number.isFinite(gradNorm) ? gradNorm : null,
      scaler: scaled,
      points: wantPoints ? hyperbolic : null,
    };
  }

  /** The first part of the network that makes something not finite of the pictures; null where none does. */
  async firstNotFinite(pictures: Pictures): Promise<string | null> {
    const chunk = this.#config.chunk ?? pictures.count;
    for (let first = 0; first < pictures.count; first += chunk) {
      using batch = this.batch(pictures, first, Math.min(pictures.count, first + chunk));
      const where = await this.embedder.firstNotFinite(batch);
      if (where !== null) return where;
    }
    return null;
  }

  /** Does `work` with the averaged weights in the network, where there are any. */
  async averaged<T>(work: () => Promise<T>): Promise<T> {
    this.ema?.swap();
    try {
      return await work();
    } finally {
      this.ema?.swap();
    }
  }

  /** Brings the next step to the scale that the scaler is at, and to the curvature that is learnt. */
  follow(scaler: ScalerState | null): void {
    if (scaler !== null) this.#scale = scaler.scale;
    if (this.learnt.has('hyp_c')) this.embedder.setCurvature(this.learnt.value('hyp_c'), { learnt: true });
  }

  dispose(): void {
    this.ema?.dispose();
    this.scaler?.dispose();
    this.optimizer.dispose();
    this.embedder.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #learn({ gradParams }: LossValues, factor: number, headGradient: number, lr: number): void {
    if (gradParams === undefined) return;
    const { tauE, tauH, c } = gradParams;
    const gradients = {
      t_e: factor * tauE,
      t_h: factor * tauH,
      hyp_c: factor * c + headGradient / this.#scale,
    };
    if (!Object.values(gradients).every(Number.isFinite))
      throw coded('ERR_HOROBALL_DIVERGED', '[train] the gradient of t_e, t_h or hyp_c is not finite');
    this.learnt.update(gradients, (this.#config.learn_lr * lr) / this.#config.lr);
  }
}
