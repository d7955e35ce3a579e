import { join } from 'node:path';
import { needsProxies } from '../../batch-loss.ts';
import { coded } from '../../errors.ts';
import type { Lock } from '../../io/lock.ts';
import { loadSharp } from '../../io/sharp.ts';
import { shellWord } from '../../io/shell.ts';
import { identityText } from '../data/fingerprint.ts';
import { fromFirst, type RankGroup } from '../lane/group.ts';
import { manualSeed, setThreads } from '../lane/native.ts';
import type { RunConfig } from '../options/options.ts';
import { bestName, type Checkpoint, lastName } from './checkpoint.ts';
import { initialWeightsOf } from './construct.ts';
import { areOfSameRun, outlineOf } from './contents.ts';
import type { Listeners, RunControls } from './hooks.ts';
import { dependsOnRanks, Learner } from './learner.ts';
import { lockRun } from './lock.ts';
import { checkLast, checkOrigin, type RunPlan, readLastCheckpoint } from './plan.ts';
import { readRows } from './read.ts';
import { type EvaluationRow, evaluationsOf } from './record.ts';
import { iterableSource, openSource, type Source } from './source.ts';
import { type RunState, startState } from './state.ts';
import { Stop } from './stop.ts';
import { createStore, DiskStore, nullStore, type RunStore } from './store.ts';
import { invalidLinesText } from './warnings.ts';

/** The components of a run on this rank. */
export interface Run {
  /** The options, with the device of this rank. */
  readonly config: RunConfig;
  readonly source: Source;
  readonly learner: Learner;
  /** The store of the run folder; on ranks other than 0, it discards everything. */
  readonly store: RunStore;
  readonly state: RunState;
  readonly listeners: Listeners;
  readonly group: RankGroup;
  readonly stop: Stop;
  /** Whether this session created the run folder. */
  readonly isNew: boolean;
  /** Whether the run starts from a checkpoint. */
  readonly isResumed: boolean;
}

/**
 * Opens a planned run, calls `work`, and closes the run. Every rank calls it with the same plan; rank 0 alone locks and
 * writes the folder.
 */
export async function withRun<T>(
  plan: RunPlan,
  listeners: Listeners,
  { signal, data, group }: RunControls,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const { folder } = plan;
  const config = configOfRank(plan.config, group);
  // Locked before the checkpoint is read, so that no other run can write a newer one in between.
  await using lock = folder !== null && group.rank === 0 ? await lockRun(folder) : null;
  const checkpoint = folder === null ? null : await readChecked(folder, config, group, listeners.warn);
  checkRanks(checkpoint, config, group);
  const source = await sourceOf(config, group, data, listeners.warn);
  await checkData(checkpoint, source, plan, group);
  checkSteps(checkpoint, source.steps);
  if (config.threads > 0) setThreads(config.threads);
  manualSeed(config.seed);
  const initial = checkpoint === null ? config : { ...config, weights: null };
  const weights = checkpoint === null ? await initialWeightsOf(config) : checkpoint.position.weights;
  using learner = await Learner.create(initial, listeners.warn, group, source.labels, source.tree);
  await checkpoint?.restore(learner);
  await group.broadcast(learner.embedder);
  for (const warning of source.warnings) listeners.warn(warning);
  await using store = group.rank === 0 ? await openStore(plan, lock, checkpoint) : nullStore;
  const evaluations =
    checkpoint === null ? [] : await resumedEvaluations(checkpoint, config, store, group, listeners.warn);
  const state = startState(checkpoint?.position ?? null, evaluations, weights);
  const stop = new Stop(group, signal);
  const [isNew, isResumed] = [folder === null, checkpoint !== null];
  return await work({ config, source, learner, store, state, listeners, group, stop, isNew, isResumed });
}

/** Returns the options of one rank: `cuda` becomes the device whose index is the local rank. */
function configOfRank(config: RunConfig, { size, place }: RankGroup): RunConfig {
  const { bs, num_samples: views, device } = config;
  if (size === 1) return config;
  if (needsProxies(config.loss)) {
    const message = `[train] loss: expected a loss without proxies for ${size} ranks, got ${config.loss}. Use a single process.`;
    throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
  }
  if (bs / views < size) {
    const message = `[train] bs: expected at least ${size * views} images (one class of ${views} for each of ${size} ranks), got ${bs}. Use a larger --bs or fewer ranks.`;
    throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
  }
  return device === 'cuda' ? { ...config, device: `cuda:${place.localRank}` } : config;
}

/** Reads the last checkpoint; null if none was written. Throws unless it belongs to the run and all ranks agree. */
async function readChecked(
  folder: string,
  config: RunConfig,
  group: RankGroup,
  warn: Listeners['warn'],
): Promise<Checkpoint | null> {
  const checkpoint = await readLastCheckpoint(folder);
  if (checkpoint !== null) {
    checkOrigin(checkpoint, config, folder);
    await checkLast(folder, checkpoint, warn);
  }
  const step = checkpoint?.position.step ?? 0;
  const first = await fromFirst(group, () => step);
  if (first === step && checkpoint === null) return null;
  const log = checkpoint?.position.metricsCrc32 ?? null; // identifies the run, because a log contains times
  if (first === step && (await fromFirst(group, () => log)) === log) return checkpoint;
  const got = first === step ? 'another checkpoint of that step' : `step ${step}`;
  const message = `[train] resume: expected the checkpoint of step ${first} in ${folder}, as on rank 0, got ${got} on rank ${group.rank}. Put the run folder where every rank can read it.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

/**
 * Rejects a number of ranks that differs from the checkpoint's if the loss compares other pairs with it. With other losses,
 * the number of ranks only affects the last digits.
 */
function checkRanks(checkpoint: Checkpoint | null, config: RunConfig, { size }: RankGroup): void {
  const saved = checkpoint?.ranks ?? size;
  if (saved === size || !dependsOnRanks(config)) return;
  const message = `[train] ranks: expected ${saved}, the number of processes that the run started with, got ${size}. With compat ${config.compat}, each process compares only its own images. Start ${saved} processes, or start a new run.`;
  throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

async function sourceOf(
  config: RunConfig,
  group: RankGroup,
  data: RunControls['data'],
  warn: Listeners['warn'],
): Promise<Source> {
  if (data === undefined) return await openSource(config, group.place);
  if (group.size === 1) return iterableSource(data, warn);
  const message =
    '[train] data: expected a data set for a group of ranks, got batches. Write a custom training loop, as in "More than one machine" in the guide.';
  throw coded('ERR_HOROBALL_OPTION', message);
}

/**
 * Checks that all ranks have the data set with which the checkpoint was trained. With other images or another order, the run
 * would silently continue with other batches.
 */
async function checkData(
  checkpoint: Checkpoint | null,
  { identity }: Source,
  { config: { path }, folder }: RunPlan,
  group: RankGroup,
): Promise<void> {
  const saved = checkpoint?.position.data;
  const got = identityText(identity);
  if (saved !== undefined && saved?.fingerprint !== identity?.fingerprint) {
    const wanted = identityText(saved);
    const detail = wanted === got ? ', but with other files or in another order' : '';
    const message = `[train] path: expected the data with which the run began (${wanted}), got ${path} (${got}${detail}). Restore the data, or start a new run with --weights ${shellWord(join(folder!, lastName))}.`;
    throw coded('ERR_HOROBALL_CHECKPOINT', message);
  }
  const fingerprint = identity?.fingerprint ?? null;
  if ((await fromFirst(group, () => fingerprint)) === fingerprint) return;
  const message = `[train] path: expected the data set of rank 0, got ${path} (${got}) on rank ${group.rank}, with other images or in another order. Use the same data set on every machine.`;
  throw coded('ERR_HOROBALL_CONFIG', message);
}

/** Rejects an `ep` that amounts to fewer steps than were already taken: the run would finish immediately. */
function checkSteps(checkpoint: Checkpoint | null, steps: number | null): void {
  const taken = checkpoint?.position.step ?? 0;
  if (steps === null || taken <= steps) return;
  const message = `[train] ep: expected enough epochs for the ${taken} steps that the run has already taken, got ${steps} steps in total. Pass a larger --ep.`;
  throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

async function openStore(
  { config, folder }: RunPlan,
  lock: Lock | null,
  checkpoint: Checkpoint | null,
): Promise<RunStore> {
  if (lock === null) return await createStore(config);
  return await DiskStore.reopen(folder!, lock, config, checkpoint?.position ?? null);
}

/** Reads the earlier evaluations from the log, and warns about changes since the checkpoint. */
async function resumedEvaluations(
  checkpoint: Checkpoint,
  config: RunConfig,
  { folder, changedLog }: RunStore,
  { size }: RankGroup,
  warn: (text: string) => void,
): Promise<EvaluationRow[]> {
  if (folder === null) return []; // a rank that does not write
  await loadSharp().catch(() => null); // its version is compared; decoding reports a missing decoder
  const changed = checkpoint.changedMachine(config, size);
  if (changed !== null) warn(changed);
  const { rows, invalid } = await readRows(folder);
  if (changedLog)
    warn(
      'metrics.jsonl was changed after the checkpoint was written, so curves and tables may be wrong; the training is not affected',
    );
  if (invalid !== null) warn(invalidLinesText({ invalid })!.replace(/\.$/, ''));
  const lost = await lostBest(folder, checkpoint);
  if (lost !== null) warn(lost);
  return evaluationsOf(rows);
}

/** Returns a warning if the checkpoint of the best evaluation is missing, damaged or another one; otherwise null. */
async function lostBest(folder: string, { config, position }: Checkpoint): Promise<string | null> {
  const { step, best } = position;
  if (best === null || best.step === step) return null; // the last checkpoint is the best one
  const found = await outlineOf(join(folder, bestName));
  const isForeign = found !== null && !areOfSameRun(found, { config, position });
  if (found?.position.step === best.step && !isForeign) return null;
  const got =
    found === null
      ? 'missing or damaged'
      : isForeign
        ? 'from another run'
        : `from step ${found.position.step}`;
  return `${bestName} should be the checkpoint of the best evaluation, at step ${best.step}, but is ${got}; restore it from a backup; otherwise the next better evaluation replaces it`;
}
