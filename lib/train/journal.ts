import { saveWeights } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import { baselineFeatures } from './data/baselines.ts';
import { parseEpochs } from './epochs.ts';
import { type Embedded, evaluate, recallOf } from './evaluate.ts';
import type { TrainHooks, TrainResult } from './hooks.ts';
import type { LossValues } from './loss.ts';
import type { Embedder } from './model.ts';
import type { Baseline, EvaluationRow, Snapshot } from './record.ts';
import { RunFolder } from './run-folder.ts';
import { takeSnapshot } from './snapshot.ts';
import type { Source } from './source.ts';

/** What a step is logged with, beside the loss's own numbers. */
export interface StepNotes {
  lr: number;
  /** Pictures of the batch. */
  count: number;
  /** Milliseconds for which the step waited for pictures, and for which it took in all. */
  waitMs: number;
  tookMs: number;
}

/** What a run leaves behind: its rows, its evaluations, and the run folder if it has one. */
export class Journal {
  readonly #config: RunConfig;
  readonly #source: Source;
  readonly #embedder: Embedder;
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
    embedder: Embedder,
    hooks: TrainHooks,
    folder: RunFolder | null,
  ) {
    this.#config = config;
    this.#source = source;
    this.#embedder = embedder;
    this.#hooks = hooks;
    this.#folder = folder;
    this.#epochs = new Set(parseEpochs(config.eval_ep));
  }

  /** Makes the run folder, where the configuration wants one. */
  static async open(
    config: RunConfig,
    source: Source,
    embedder: Embedder,
    hooks: TrainHooks,
  ): Promise<Journal> {
    const { runs } = config;
    const folder = runs === null ? null : await RunFolder.create({ ...config, runs });
    for (const warning of source.warnings) hooks.onWarning?.(warning);
    return new Journal(config, source, embedder, hooks, folder);
  }

  /** Before the first step: the untrained network, if epoch 0 is to be evaluated, and the baselines. */
  async begin(): Promise<void> {
    if (this.#epochs.has(0)) await this.#evaluate(0);
    if (this.#config.baselines) await this.#measureBaselines();
  }

  /** Logs a step; evaluates where an epoch ends with it and is one to evaluate. */
  async step(step: number, values: LossValues, { lr, count, waitMs, tookMs }: StepNotes): Promise<void> {
    const { epochSteps, steps } = this.#source;
    this.#step = step;
    const row = {
      type: 'step' as const,
      step,
      epoch: epochSteps === null ? 1 : Math.ceil(step / epochSteps),
      ...values,
      lr,
      imagesPerSecond: Number(((1000 * count) / tookMs).toFixed(1)),
      waitMs: Number(waitMs.toFixed(1)),
      seconds: this.#seconds(),
    };
    this.#folder?.log(row);
    this.#hooks.onStep?.(row, steps);
    this.#nameSkipped();
    const epochEnds = epochSteps !== null && step % epochSteps === 0;
    if (epochEnds && this.#epochs.has(row.epoch) && !this.#hooks.signal?.aborted)
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
    if (this.#folder) await saveWeights(this.#folder.file('model.safetensors'), this.#embedder);
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
    const { evaluation, embedded } = await evaluate(this.#embedder, test.split, test.loader, {
      compat: this.#config.compat,
      ...(signal && { signal }),
    });
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
    const { hyp_c: c } = this.#config;
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
