import { saveWeights } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import { baselineFeatures } from './data/baselines.ts';
import { parseEpochs } from './epochs.ts';
import { type Embedded, evaluate, recallOf } from './evaluate.ts';
import { healthOf } from './health.ts';
import type { TrainHooks, TrainResult } from './hooks.ts';
import type { Learner, StepOutcome } from './learner.ts';
import { learnable } from './learnt.ts';
import type { Baseline, EvaluationRow, HealthRow, Snapshot, StepRow } from './record.ts';
import { RunFolder } from './run-folder.ts';
import { takeSnapshot } from './snapshot.ts';
import type { Source } from './source.ts';

/** What a step is logged with, beside the loss's own numbers. */
export interface StepNotes {
  lr: number;
  /** Temperatures and curvature of the step. */
  scalars: { tauE: number; tauH: number; c: number };
  /** Pictures of the batch. */
  count: number;
  /** Milliseconds for which the step waited for pictures, and for which it took in all. */
  waitMs: number;
  tookMs: number;
}

/** Steps between two looks at the points' health, where there are no epochs. */
const stretch = 50;

/** What a run leaves behind: its rows, its evaluations, and the run folder if it has one. */
export class Journal {
  readonly #config: RunConfig;
  readonly #source: Source;
  readonly #learner: Learner;
  readonly #hooks: TrainHooks;
  readonly #folder: RunFolder | null;
  readonly #epochs: ReadonlySet<number>;
  readonly #began = performance.now();
  readonly #evaluations: EvaluationRow[] = [];
  readonly #baselines: Baseline[] = [];
  #latest: { embedded: Embedded; epoch: number } | null = null;
  #step = 0;
  readonly #named = new Set<string>();

  private constructor(
    config: RunConfig,
    source: Source,
    learner: Learner,
    hooks: TrainHooks,
    folder: RunFolder | null,
  ) {
    this.#config = config;
    this.#source = source;
    this.#learner = learner;
    this.#hooks = hooks;
    this.#folder = folder;
    this.#epochs = new Set(parseEpochs(config.eval_ep));
  }

  /** Makes the run folder, where the configuration wants one. */
  static async open(
    config: RunConfig,
    source: Source,
    learner: Learner,
    hooks: TrainHooks,
  ): Promise<Journal> {
    const { runs } = config;
    const folder = runs === null ? null : await RunFolder.create({ ...config, runs });
    for (const warning of source.warnings) hooks.onWarning?.(warning);
    return new Journal(config, source, learner, hooks, folder);
  }

  /** Before the first step: the untrained network, if epoch 0 is to be evaluated, and the baselines. */
  async begin(): Promise<void> {
    if (this.#epochs.has(0)) await this.#evaluate(0);
    if (this.#config.baselines) await this.#measureBaselines();
  }

  /** Whether an epoch ends with this step; a stretch of steps is one where the batches are the caller's. */
  ends(step: number): boolean {
    return step % (this.#source.epochSteps ?? stretch) === 0;
  }

  /** Logs a step, and the points' health where an epoch ends with it; evaluates after the epochs to evaluate. */
  async step(step: number, outcome: StepOutcome, notes: StepNotes): Promise<void> {
    this.#step = step;
    const row = this.#stepRow(outcome, notes);
    this.#folder?.log(row);
    this.#hooks.onStep?.(row, this.#source.steps);
    this.#nameSkipped();
    if (!this.ends(step)) return;
    await this.#checkHealth(row.epoch, outcome, notes.scalars.c);
    const { epochSteps } = this.#source;
    if (epochSteps !== null && this.#epochs.has(row.epoch) && !this.#hooks.signal?.aborted)
      await this.#evaluate(row.epoch);
  }

  /** Writes the weights and the report. */
  async close(): Promise<TrainResult> {
    if (this.#folder !== null) {
      await this.#saveWeights();
      await this.#folder.close(await this.#snapshot());
    }
    return {
      folder: this.#folder?.path ?? null,
      steps: this.#step,
      interrupted: this.#hooks.signal?.aborted ?? false,
      evaluations: this.#evaluations,
      baselines: this.#baselines,
      skipped: this.#source.skipped().length,
    };
  }

  /**
   * Ends a run that failed. A folder in which nothing has happened yet goes; any other keeps its log, and the weights
   * unless they are what failed.
   */
  async abandon(error: unknown): Promise<void> {
    if (this.#folder === null) return;
    if (this.#step === 0) return await this.#folder.remove();
    const settled = [this.#folder.flush()];
    if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_DIVERGED') settled.push(this.#saveWeights());
    await Promise.allSettled(settled); // the caller has an error already
  }

  async #saveWeights(): Promise<void> {
    const path = this.#folder?.file('model.safetensors');
    if (path) await this.#learner.averaged(() => saveWeights(path, this.#learner.embedder));
  }

  #stepRow(outcome: StepOutcome, { lr, scalars, count, waitMs, tookMs }: StepNotes): StepRow {
    const { epochSteps } = this.#source;
    const { loss, gradNorm, scaler } = outcome;
    const { learnt } = this.#learner;
    const values = { t_e: scalars.tauE, t_h: scalars.tauH, hyp_c: scalars.c };
    return {
      type: 'step',
      step: this.#step,
      epoch: epochSteps === null ? 1 : Math.ceil(this.#step / epochSteps),
      ...loss,
      lr,
      ...(gradNorm !== null && { gradNorm }),
      ...(scaler && { scale: scaler.scale }),
      ...(scaler?.overflowed && { skipped: true }),
      ...Object.fromEntries(learnable.filter((name) => learnt.has(name)).map((name) => [name, values[name]])),
      imagesPerSecond: Number(((1000 * count) / tookMs).toFixed(1)),
      waitMs: Number(waitMs.toFixed(1)),
      seconds: this.#seconds(),
    };
  }

  async #checkHealth(epoch: number, { points, scaler }: StepOutcome, c: number): Promise<void> {
    if (points === null) return;
    const row: HealthRow = {
      type: 'health',
      step: this.#step,
      epoch,
      c,
      ...(await healthOf(points, this.#config.emb, c)),
      scale: scaler?.scale ?? null,
      skippedSteps: scaler?.skipped ?? 0,
      seconds: this.#seconds(),
    };
    this.#folder?.log(row);
    this.#hooks.onHealth?.(row);
  }

  async #measureBaselines(): Promise<void> {
    const { test } = this.#source;
    if (test === null) return;
    const { signal } = this.#hooks;
    for (const { name, features, labels } of await baselineFeatures(test.split, this.#config.crop, signal)) {
      const distance = { metric: 'euclidean' } as const;
      const recall = await recallOf(features, labels, test.split.parents, {
        ks: [1, 2, 4, 8],
        distance,
        signal,
      });
      const baseline = { name: name.charAt(0).toUpperCase() + name.slice(1), recall };
      this.#baselines.push(baseline);
      this.#hooks.onBaseline?.(baseline);
    }
  }

  async #evaluate(epoch: number): Promise<void> {
    const { test } = this.#source;
    if (test === null) return;
    const { signal } = this.#hooks;
    const options = { compat: this.#config.compat, ...(signal && { signal }) };
    const { evaluation, embedded } = await this.#learner.averaged(() =>
      evaluate(this.#learner.embedder, test.split, test.loader, options),
    );
    const row = {
      type: 'evaluation' as const,
      step: this.#step,
      epoch,
      seconds: this.#seconds(),
      ...evaluation,
    };
    this.#latest = { embedded, epoch };
    this.#evaluations.push(row);
    this.#folder?.log(row);
    this.#hooks.onEvaluation?.(row);
    this.#nameSkipped();
  }

  async #snapshot(): Promise<Snapshot | null> {
    const { test } = this.#source;
    if (test === null || this.#latest === null) return null;
    const { embedded, epoch } = this.#latest;
    const { c } = this.#learner.embedder;
    return await takeSnapshot(test.name, test.split, embedded, { c, epoch, baselines: this.#baselines });
  }

  /** Names the pictures that turned out to be unreadable since the last time. */
  #nameSkipped(): void {
    for (const { path, reason } of this.#source.skipped()) {
      if (this.#named.has(path)) continue;
      this.#named.add(path);
      this.#hooks.onWarning?.(`skipped ${path}: ${reason}`);
    }
  }

  #seconds(): number {
    return Number(((performance.now() - this.#began) / 1000).toFixed(2));
  }
}
