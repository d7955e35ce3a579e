/** Evaluations, baselines and health checks during a run. */

import { reasonOf } from '../../io/file-errors.ts';
import { searchDevice } from '../lane/native.ts';
import { baselineFeatures } from '../measure/baselines.ts';
import {
  averaged,
  type Embedded,
  embedPart,
  gathered,
  measurePart,
  type PartOfEvaluation,
  recallOf,
} from '../measure/evaluate.ts';
import { healthOf } from '../measure/health.ts';
import { protocolOf } from '../measure/recall.ts';
import { takeSnapshot } from '../measure/snapshot.ts';
import { spreadOf } from '../measure/structure.ts';
import type { TestSet } from '../measure/test-set.ts';
import type { Evaluation, Snapshot } from '../measure/types.ts';
import { evaluationOf } from './construct.ts';
import type { StepOutcome } from './learner.ts';
import type { Run } from './open.ts';
import type { EvaluationRow, HealthRow } from './record.ts';
import { addEvaluation, epochOf, secondsOf } from './state.ts';
import { warnOfSkipped } from './warnings.ts';

/** Evaluates the untrained baselines on the test classes. */
export async function measureBaselines({ config, source, state, listeners, stop }: Run): Promise<void> {
  const { test } = source;
  if (test === null) return;
  const { crop, background, max_pixels: maxPixels } = config;
  const found = await baselineFeatures(test.split, crop, stop.signal, { background, maxPixels });
  for (const { name, features, labels, indices } of found) {
    const recall = await recallOf(features, labels, test.split.parents, {
      ...protocolOf(test.protocol, indices),
      distance: { metric: 'euclidean' },
      signal: stop.signal,
    });
    const baseline = { name: name.charAt(0).toUpperCase() + name.slice(1), recall };
    state.baselines.push(baseline);
    await listeners.notify('onBaseline', baseline);
  }
}

/**
 * Evaluates the network on the test classes, and takes a snapshot for the report. In a group, each rank embeds a part of
 * the images and searches for the neighbors of a part of the queries.
 */
export async function evaluateRun(run: Run): Promise<void> {
  const { config, source, learner, state, group, stop } = run;
  const { test } = source;
  if (test === null) return;
  const { tauE, tauH } = learner.scalars();
  const options = evaluationOf(config, test, { tauE, tauH });
  group.at(`the evaluation after step ${state.step}`);
  state.evaluatedAt = state.step;
  const how = { ...options, group, signal: stop.signal, onProgress: () => stop.between() };
  const own = await learner.averaged(() => embedPart(learner.embedder, test.split, test.loader, how));
  await stop.after();
  const embedded = await gathered(own, group);
  const { c } = learner.embedder;
  const device = options.device ?? searchDevice(learner.embedder.config.device);
  let part: PartOfEvaluation | undefined;
  await stop.untilRequested(async (signal) => {
    part = await measurePart(embedded, test.split, c, { ...options, device, group, signal });
  });
  await stop.after();
  const evaluation = await averaged(part!, group);
  if (group.rank === 0) await recordEvaluation(run, test, embedded, evaluation);
  await stop.after();
}

/** Logs the results, and takes a snapshot if it is stored or a listener receives it. */
async function recordEvaluation(
  run: Run,
  test: TestSet,
  embedded: Embedded,
  evaluation: Evaluation,
): Promise<void> {
  const { config, source, learner, store, state, listeners } = run;
  const epoch = epochOf(state.step, source.epochSteps);
  const { tauE, tauH } = learner.scalars();
  const row: EvaluationRow = {
    type: 'evaluation',
    step: state.step,
    epoch,
    seconds: secondsOf(state),
    ...evaluation,
    spread: await spreadOf(embedded),
  };
  addEvaluation(state, row, config.geometry);
  store.append(row);
  if (store.folder !== null || listeners.has('onSnapshot')) {
    const { c } = learner.embedder;
    const loss = { ...learner.loss.options, tauE, tauH, c };
    const details = { c, epoch, baselines: state.baselines, loss };
    const snapshot = await storedSnapshot(run, () => takeSnapshot(test.name, test.split, embedded, details));
    if (snapshot !== null) await listeners.notify('onSnapshot', snapshot);
  }
  await listeners.notify('onEvaluation', row);
  warnOfSkipped(run);
}

/** Takes a snapshot and stores it. If this fails, warns and returns null, because the run can continue. */
async function storedSnapshot(
  { store, listeners }: Run,
  take: () => Promise<Snapshot>,
): Promise<Snapshot | null> {
  try {
    const snapshot = await take();
    await store.snapshot(snapshot);
    return snapshot;
  } catch (error) {
    listeners.warn(
      `the disk, neighbors and negatives of this evaluation could not be stored (${reasonOf(error)}), so the report shows those of an earlier one or none`,
    );
    return null;
  }
}

/** Logs the numerical health of a batch, if the step returned its points. */
export async function checkHealth(run: Run, { points, scaler }: StepOutcome, c: number): Promise<void> {
  if (points === null) return;
  const { config, source, store, state, listeners } = run;
  const row: HealthRow = {
    type: 'health',
    step: state.step,
    epoch: epochOf(state.step, source.epochSteps),
    c,
    ...(await healthOf(points, config.emb, c)),
    scale: scaler?.scale ?? null,
    skippedSteps: scaler?.skipped ?? 0,
    seconds: secondsOf(state),
  };
  store.append(row);
  await listeners.notify('onHealth', row);
}
