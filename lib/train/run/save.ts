/** Writes checkpoints during a run, and its results at the end. */

import type { Skipped } from '../data/loader.ts';
import { saveEmbeddings } from '../measure/export.ts';
import { Checkpoint } from './checkpoint.ts';
import type { Run } from './open.ts';
import { positionOf } from './state.ts';
import { warnOfSkipped } from './warnings.ts';

/**
 * Writes a checkpoint of the current step, unless no step was taken yet.
 * @param complete - whether the run has finished
 */
export async function saveCheckpoint(run: Run, complete: boolean = false): Promise<void> {
  const { config, source, learner, store, state, listeners } = run;
  if (state.step === 0) return; // a resumed run repeats everything before the first step
  await listeners.notify('onCheckpoint');
  await store.checkpoint((log) => {
    const position = positionOf(state, { ...log, data: source.identity, complete });
    return Checkpoint.capture(learner, config, position);
  });
  state.savedAt = performance.now();
}

/**
 * Writes the results of a run that trained to its end or was stopped.
 *
 * @returns whether it was stopped
 */
export async function finishRun(run: Run): Promise<boolean> {
  const { config, source, learner, store, listeners, stop } = run;
  const { folder } = store;
  await saveNetwork(run);
  const hooks = {
    signal: stop.signal,
    onSkipped: (image: Skipped) => warnOfSkipped(run, [image]),
    beforeWrite: () => store.check(),
  };
  if (config.save_emb && folder !== null && !stop.isStopped)
    await stop.untilStopped(learner.averaged(() => saveEmbeddings(folder, learner.embedder, config, hooks)));
  await store.flush();
  for (const note of source.imageNotes()) listeners.warn(note);
  const interrupted = stop.isStopped; // later stop requests have no effect
  if (config.save_every !== null) await saveCheckpoint(run, !interrupted);
  return interrupted;
}

/** Errors after which model.safetensors is not written: training diverged, or another run uses the folder. */
const withoutWeights: ReadonlySet<unknown> = new Set(['ERR_HOROBALL_DIVERGED', 'ERR_HOROBALL_RUN_BUSY']);

/**
 * Ends a failed run. Removes its folder if it is new and has no steps; otherwise writes the log and, unless training
 * diverged or another run uses the folder, the weights.
 */
export async function abandonRun(run: Run, error: unknown): Promise<void> {
  const { store, state, listeners, isNew } = run;
  await listeners.flush().catch(() => {});
  const notify = () => listeners.end('failed').catch(() => {}); // the original error is reported
  if (state.step === 0 && isNew) {
    await notify();
    return await store.remove();
  }
  const writes = [store.flush()];
  if (!withoutWeights.has((error as { code?: unknown } | undefined)?.code)) writes.push(saveNetwork(run));
  await Promise.allSettled(writes);
  await notify();
}

async function saveNetwork({ config, source, learner, store, state }: Run): Promise<void> {
  const { step, weights } = state;
  const at = { step, data: source.identity, weights };
  await learner.averaged(() => store.weights(learner, config, at));
}
