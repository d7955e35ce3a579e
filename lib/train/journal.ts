import { type Best, type Position, saveWeights } from './checkpoint.ts';
import type { Geometry, RunConfig } from './config.ts';
import { evaluationOf } from './construct.ts';
import { baselineFeatures } from './data/baselines.ts';
import { parseEpochs } from './epochs.ts';
import { evaluate, recallOf } from './evaluate.ts';
import { saveEmbeddings } from './export.ts';
import { healthOf } from './health.ts';
import { isAbort, type TrainHooks, type TrainResult } from './hooks.ts';
import type { Learner, StepOutcome } from './learner.ts';
import { learnable } from './learnt.ts';
import { protocolOf } from './recall.ts';
import { type Baseline, type EvaluationRow, evaluationsOf, type HealthRow, type StepRow } from './record.ts';
import { type RunFolder, readRun } from './run-folder.ts';
import { takeSnapshot } from './snapshot.ts';
import type { Source } from './source.ts';
import { spreadOf } from './structure.ts';

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
  #began = performance.now();
  #evaluations: EvaluationRow[] = [];
  #baselines: Baseline[] = [];
  #evaluatedAt: number | null = null;
  #step = 0;
  readonly #named = new Set<string>();

  constructor(
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

  /** Before the first step: the baselines, and the untrained network if epoch 0 is to be evaluated. */
  async begin(): Promise<void> {
    if (this.#config.baselines) await this.#measureBaselines();
    if (this.#epochs.has(0)) await this.#evaluate(0);
  }

  /** Before the first step of a run that goes on. */
  async resume({ step, seconds, baselines }: Position): Promise<void> {
    this.#step = step;
    this.#began -= 1000 * seconds;
    this.#baselines = baselines;
    if (this.#folder) this.#evaluations = evaluationsOf((await readRun(this.#folder.path)).rows);
    this.#hooks.onResume?.(this.#folder?.path ?? '', step);
    const missed = this.ends(step) && !this.#evaluations.some((row) => row.step === step);
    if (missed) await this.#evaluateAfter(this.#epochOf(step)); // an abort came before it
  }

  /** Steps taken. */
  get taken(): number {
    return this.#step;
  }

  /** Whether the latest step ended with an evaluation. */
  get evaluated(): boolean {
    return this.#evaluatedAt === this.#step;
  }

  /** Where the run is; all that was logged until here is on the disk by then. */
  async position(complete: boolean): Promise<Position> {
    const metricsBytes = (await this.#folder?.sync()) ?? 0;
    const best = bestOf(this.#evaluations, this.#config.geometry);
    return {
      step: this.#step,
      seconds: this.#seconds(),
      metricsBytes,
      best,
      baselines: this.#baselines,
      complete,
    };
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
    await this.#evaluateAfter(row.epoch);
  }

  /** Writes the weights and the report. */
  async close(): Promise<TrainResult> {
    await this.#saveWeights();
    await this.#saveEmbeddings();
    await this.#folder?.close();
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
   * Ends a run that failed. A new folder in which nothing has happened yet goes; any other keeps its log, and the
   * weights unless they are what failed.
   */
  async abandon(error: unknown, isNew: boolean): Promise<void> {
    if (this.#folder === null) return;
    if (this.#step === 0 && isNew) return await this.#folder.remove();
    const settled = [this.#folder.fail()];
    if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_DIVERGED') settled.push(this.#saveWeights());
    await Promise.allSettled(settled); // the caller has an error already
  }

  async #saveWeights(): Promise<void> {
    const path = this.#folder?.file('model.safetensors');
    if (path) await this.#learner.averaged(() => saveWeights(path, this.#learner.embedder));
  }

  #stepRow(outcome: StepOutcome, { lr, scalars, count, waitMs, tookMs }: StepNotes): StepRow {
    const { loss, gradNorm, scaler } = outcome;
    const { learnt } = this.#learner;
    const values = { t_e: scalars.tauE, t_h: scalars.tauH, hyp_c: scalars.c };
    return {
      type: 'step',
      step: this.#step,
      epoch: this.#epochOf(this.#step),
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

  #epochOf(step: number): number {
    const { epochSteps } = this.#source;
    return epochSteps === null ? 1 : Math.ceil(step / epochSteps);
  }

  async #evaluateAfter(epoch: number): Promise<void> {
    if (this.#epochs.has(epoch) && !this.#hooks.signal?.aborted) await this.#evaluate(epoch);
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

  async #saveEmbeddings(): Promise<void> {
    const { signal } = this.#hooks;
    const folder = this.#folder?.path;
    if (folder === undefined || !this.#config.save_emb || signal?.aborted) return;
    const { embedder } = this.#learner;
    const save = () => saveEmbeddings(folder, embedder, this.#config, signal);
    await this.#learner.averaged(save).catch((error) => {
      if (!isAbort(error, signal)) throw error;
    });
  }

  async #measureBaselines(): Promise<void> {
    const { test } = this.#source;
    if (test === null) return;
    const { signal } = this.#hooks;
    for (const { name, features, labels, indices } of await baselineFeatures(
      test.split,
      this.#config.crop,
      signal,
    )) {
      const distance = { metric: 'euclidean' } as const;
      const recall = await recallOf(features, labels, test.split.parents, {
        ...protocolOf(test.protocol, indices),
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
    const options = { ...evaluationOf(this.#config, test, this.#learner.scalars()), signal };
    const { evaluation, embedded } = await this.#learner.averaged(() =>
      evaluate(this.#learner.embedder, test.split, test.loader, options),
    );
    const row = {
      type: 'evaluation' as const,
      step: this.#step,
      epoch,
      seconds: this.#seconds(),
      ...evaluation,
      spread: await spreadOf(embedded),
    };
    this.#evaluatedAt = this.#step;
    this.#evaluations.push(row);
    this.#folder?.log(row);
    const { c } = this.#learner.embedder;
    const { tauE, tauH } = this.#learner.scalars();
    const loss = { ...this.#learner.loss.options, tauE, tauH, c };
    const drawn = { c, epoch, baselines: this.#baselines, loss };
    if (this.#folder || this.#hooks.onSnapshot) {
      const snapshot = await takeSnapshot(test.name, test.split, embedded, drawn);
      await this.#folder?.writeSnapshot(snapshot);
      this.#hooks.onSnapshot?.(snapshot);
    }
    this.#hooks.onEvaluation?.(row);
    this.#nameSkipped();
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

/** By the distance that the geometry trains; the untrained network does not count. */
function bestOf(evaluations: readonly EvaluationRow[], geometry: Geometry): Best | null {
  const space = geometry === 'euclidean' ? 'cosine' : 'hyperbolic';
  let best: Best | null = null;
  for (const { step, epoch, spaces } of evaluations) {
    const recall = spaces[space].at['1'] ?? 0;
    if (epoch > 0 && (best === null || recall > best.recall)) best = { step, epoch, recall };
  }
  return best;
}
