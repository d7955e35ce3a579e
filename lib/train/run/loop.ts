import { coded } from '../../errors.ts';
import type { Lock } from '../../io/lock.ts';
import type { ProcessGroup } from '../lane/group.ts';
import type { ApplyOptions } from '../lane/loss.ts';
import { manualSeed, setThreads } from '../lane/native.ts';
import { saveEmbeddings } from '../measure/export.ts';
import type { RunConfig } from '../options/options.ts';
import { Checkpoint } from './checkpoint.ts';
import { dueOf } from './due.ts';
import { checkHealth, evaluateRun, measureBaselines, type Run, warnOfSkipped } from './evaluate-run.ts';
import { type Feed, type FeedBatch, feedOf } from './feed.ts';
import { isAbort, Listeners, type RunControls, type RunResult } from './hooks.ts';
import { Learner, type StepOutcome } from './learner.ts';
import { lockRun } from './lock.ts';
import { checkOrigin, type Plan, readLast } from './plan.ts';
import { readRows } from './read.ts';
import { evaluationsOf } from './record.ts';
import { learningRate } from './schedule.ts';
import { iterableSource, openSource } from './source.ts';
import { epochOf, positionOf, type StepDetails, startState, stepRow } from './state.ts';
import { createStore, DiskStore, nullStore, type RunStore } from './store.ts';
import { invalidWords } from './warnings.ts';

/**
 * Performs a planned run, new or resumed: queues each step on the lane and waits for its result. See `train` for the errors.
 */
export async function performRun(
  plan: Plan,
  all: Listeners,
  { signal: given, data, group = null }: RunControls = {},
): Promise<RunResult> {
  const { folder } = plan;
  const config = configOf(plan.config, group);
  const isFirst = group === null || group.rank === 0;
  const listeners = isFirst ? all : new Listeners([]);
  await using lock = folder === null || !isFirst ? null : await lockRun(folder);
  const checkpoint = folder === null ? null : await readLast(folder);
  if (checkpoint !== null) checkOrigin(checkpoint, config, folder!);
  await checkSameStep(group, checkpoint, folder);
  if (data !== undefined && group !== null) throw dataOfGroup();
  const source = data ? iterableSource(data) : await openSource(config, group?.place);
  checkSteps(checkpoint, source.steps);
  if (config.threads > 0) setThreads(config.threads);
  manualSeed(config.seed);
  const initial = checkpoint ? { ...config, weights: null } : config;
  using learner = await Learner.create(initial, listeners.warn, group);
  await checkpoint?.restore(learner);
  await group?.broadcast(learner.embedder);
  for (const warning of source.warnings) listeners.warn(warning);
  await using store = await openStore(plan, isFirst, lock, checkpoint);
  const state = startState(checkpoint?.position ?? null);
  const agreed = new AbortController();
  const signal = group === null ? given : agreed.signal;
  const wantsStop = (): boolean => given?.aborted ?? false;
  const stop = (): void => agreed.abort(given?.reason);
  const run: Run = { config, source, learner, store, state, listeners, signal, group, wantsStop, stop };

  let interrupted: boolean;
  try {
    await listeners.notify('onStore', store.folder);
    await listeners.notify('onBegin', { ...config, name: store.name ?? config.name });
    await trainSteps(run, checkpoint).catch((error) => {
      if (!isAbort(error, signal)) throw error;
    });
    interrupted = await finish(run);
  } catch (error) {
    await abandon(run, error, folder === null);
    throw error;
  }
  await listeners.notify('onEnd', interrupted ? 'interrupted' : 'complete');
  const { step: steps, evaluations, baselines } = state;
  return {
    folder: store.folder,
    steps,
    interrupted,
    evaluations,
    baselines,
    ...(source.test?.split.levels && { levels: source.test.split.levels }),
    skipped: source.skipped().length,
  };
}

/** The store of a run; in a group, only rank 0 has one. */
async function openStore(
  { config, folder }: Plan,
  isFirst: boolean,
  lock: Lock | null,
  checkpoint: Checkpoint | null,
): Promise<RunStore> {
  if (!isFirst) return nullStore;
  if (lock === null) return await createStore(config);
  return await DiskStore.reopen(folder!, lock, config, checkpoint?.position ?? null);
}

/** The options of one rank: `cuda` becomes the device whose index is its local rank. */
function configOf(config: RunConfig, group: ProcessGroup | null): RunConfig {
  if (group === null) return config;
  const { bs, num_samples: views } = config;
  if (bs / views < group.size) {
    const message = `[train] bs: expected at least one class per rank (${group.size * views}), got ${bs}. Use a larger --bs or fewer ranks.`;
    throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
  }
  return config.device === 'cuda' ? { ...config, device: `cuda:${group.place.localRank}` } : config;
}

/** Checks that every rank read the same checkpoint. */
async function checkSameStep(
  group: ProcessGroup | null,
  checkpoint: Checkpoint | null,
  folder: string | null,
): Promise<void> {
  if (group === null || folder === null) return;
  const own = String(checkpoint?.position.step ?? 0);
  const first = await group.share(own);
  if (first === own) return;
  const message = `[train] resume: expected the checkpoint of step ${first} in ${folder}, as on rank 0, got step ${own} on rank ${group.rank}. Put the run folder where every rank can read it.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

function dataOfGroup(): Error {
  const message =
    '[train] data: expected a data set for a group of ranks, got batches. Write the loop yourself: see "More than one machine" in the guide.';
  return coded('ERR_HOROBALL_OPTION', message);
}

/** Returns the condition of rank 0 on every rank. */
async function ofFirst({ group }: Run, holds: () => boolean): Promise<boolean> {
  const own = String(holds());
  return ((await group?.share(own)) ?? own) === 'true';
}

/** Trains until the last step, or until the signal is aborted. */
async function trainSteps(run: Run, checkpoint: Checkpoint | null): Promise<void> {
  const { config, source, learner, state, signal, group } = run;
  const isFirst = group === null || group.rank === 0;
  const due = dueOf(config, source);
  if (checkpoint !== null) await resume(run, checkpoint);
  else if (config.baselines && isFirst) await measureBaselines(run);
  const isEvaluated = await ofFirst(run, () => state.evaluations.some(({ step }) => step === state.step));
  if (due.evaluate(state.step) && !isEvaluated) await evaluateRun(run);
  if (due.checkpoint(state)) await saveCheckpoint(run);

  await using feed = feedOf(config, source, learner, { done: state.step, signal });
  let began = performance.now();
  for (let next = await feed.next(); next !== null; next = await feed.next()) {
    using batch = next;
    const step = state.step + 1;
    const lr = learningRate(config, step, source.steps);
    const scalars = learner.scalars();
    const wantPoints = due.health(step) && isFirst;
    const outcome = await takeStep(run, feed, batch, { step, lr, scalars, wantPoints });
    state.step = step;
    if (outcome.stop) run.stop(); // without a group, its own signal has stopped the run

    const tookMs = performance.now() - began;
    const { whole, count } = batch.samples;
    const images = whole?.labels.length ?? count;
    await logStep(run, { outcome, lr, scalars, count: images, waitMs: batch.waitMs, tookMs });
    if (due.health(step)) await checkHealth(run, outcome, scalars.c);
    if (due.evaluate(step) && !signal?.aborted) await evaluateRun(run);
    if (due.checkpoint(state)) await saveCheckpoint(run);
    if (signal?.aborted) break;
    began = performance.now();
  }
}

interface StepSettings {
  step: number;
  lr: number;
  /** Temperatures and curvature. */
  scalars: Required<ApplyOptions>;
  /** Whether the outcome holds the batch's points. */
  wantPoints: boolean;
}

/** Queues a step, prefetches the next batch, and waits for the result. */
async function takeStep(
  { learner, group, wantsStop }: Run,
  feed: Feed,
  { samples, batch }: FeedBatch,
  { step, lr, scalars, wantPoints }: StepSettings,
): Promise<StepOutcome> {
  group?.at(`step ${step}`);
  using embeddings = learner.embed(samples, batch);
  using whole = learner.gather(embeddings, samples);
  using rows = learner.compared(whole, whole.labels);
  using objective = learner.loss.apply(rows, rows.labels, scalars);
  learner.backward(objective, embeddings, rows.factor);
  await feed.prefetch();
  learner.update(lr, step);
  try {
    // The only place where the host waits for the device.
    const options = { lr, factor: rows.factor, wantPoints, stop: wantsStop() };
    return await learner.finish(objective, whole, whole.labels, options);
  } catch (error) {
    throw await learner.explain(error, step, samples);
  }
}

async function logStep(run: Run, details: Omit<StepDetails, 'epoch' | 'learnables'>): Promise<void> {
  const { source, learner, store, state, listeners } = run;
  const epoch = epochOf(state.step, source.epochSteps);
  const row = stepRow(state, { ...details, epoch, learnables: learner.learnables });
  store.append(row);
  await listeners.notify('onStep', row, source.steps);
  warnOfSkipped(run);
}

/** @param complete - whether the run has finished */
async function saveCheckpoint(run: Run, complete: boolean = false): Promise<void> {
  const { config, learner, store, state, listeners } = run;
  if (state.step === 0) return; // a resume repeats everything before the first step
  await listeners.notify('onCheckpoint');
  await store.checkpoint((log) => {
    const position = positionOf(state, { ...log, complete });
    return Checkpoint.capture(learner, config, position);
  });
  state.savedAt = performance.now();
}

/** Restores the evaluations from the log, and notifies the listeners. */
async function resume({ config, state, store, listeners }: Run, checkpoint: Checkpoint): Promise<void> {
  if (store.folder === null) return; // a rank that does not write
  const changed = checkpoint.changedMachine(config);
  if (changed !== null) listeners.warn(changed);
  const { rows, invalid } = await readRows(store.folder!);
  state.evaluations = evaluationsOf(rows);
  if (store.changedLog)
    listeners.warn(
      'metrics.jsonl was changed after the checkpoint was written, so curves and tables may be wrong; the training is not affected',
    );
  if (invalid !== null) listeners.warn(invalidWords({ invalid })!.replace(/\.$/, ''));
  await listeners.notify('onResume', store.folder!, state.step);
}

/** Writes the results. @returns whether the signal was aborted */
async function finish(run: Run): Promise<boolean> {
  const { config, source, learner, store, listeners, signal } = run;
  await saveNetwork(run);
  if (config.save_emb && store.folder !== null && !signal?.aborted)
    await learner
      .averaged(() => saveEmbeddings(store.folder!, learner.embedder, config, signal))
      .catch((error) => {
        if (!isAbort(error, signal)) throw error;
      });
  await store.flush();
  for (const note of source.imageNotes()) listeners.warn(note);
  const interrupted = signal?.aborted ?? false;
  if (config.save_every !== null) await saveCheckpoint(run, !interrupted);
  return interrupted;
}

/** Errors after which model.safetensors is not written: the weights diverged, or another run uses the folder. */
const withoutWeights: ReadonlySet<unknown> = new Set(['ERR_HOROBALL_DIVERGED', 'ERR_HOROBALL_RUN_BUSY']);

/**
 * Ends a failed run. Removes its folder if it is new and without steps; otherwise writes the log, and the weights unless they
 * diverged.
 */
async function abandon(run: Run, error: unknown, isNew: boolean): Promise<void> {
  const { store, state, listeners } = run;
  await listeners.flush().catch(() => {});
  await listeners.notify('onEnd', 'failed').catch(() => {}); // the original error is reported
  if (state.step === 0 && isNew) return await store.remove();
  const writes = [store.flush()];
  if (!withoutWeights.has((error as { code?: unknown }).code)) writes.push(saveNetwork(run));
  await Promise.allSettled(writes);
}

async function saveNetwork({ learner, store }: Run): Promise<void> {
  await learner.averaged(() => store.weights(learner.embedder));
}

/** Rejects a smaller `ep` than before, with which the run would end at once as complete. */
function checkSteps(checkpoint: Checkpoint | null, steps: number | null): void {
  const taken = checkpoint?.position.step ?? 0;
  if (steps === null || taken <= steps) return;
  const message = `[train] ep: expected epochs for the ${taken} steps that the run took, got ${steps}. Pass a larger --ep.`;
  throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
}
