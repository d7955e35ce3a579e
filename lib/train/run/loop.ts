import { firstError } from '../../errors.ts';
import { fromFirst } from '../lane/group.ts';
import type { ApplyOptions } from '../lane/loss.ts';
import { type Due, dueOf } from './due.ts';
import { checkHealth, evaluateRun, measureBaselines } from './evaluate-run.ts';
import { type Feed, type FeedBatch, feedOf } from './feed.ts';
import type { Listeners, RunControls, RunResult } from './hooks.ts';
import type { StepOutcome } from './learner.ts';
import { type Run, withRun } from './open.ts';
import type { RunPlan } from './plan.ts';
import { abandonRun, finishRun, saveCheckpoint } from './save.ts';
import { learningRate } from './schedule.ts';
import { epochOf, hasStalled, type StepDetails, stepRow } from './state.ts';
import { summaryOf } from './summary.ts';
import { warnOfSkipped } from './warnings.ts';

/** Executes a planned run, new or resumed; in a group, every rank calls it. See `train` for the errors. */
export async function executeRun(
  plan: RunPlan,
  listeners: Listeners,
  controls: RunControls,
): Promise<RunResult> {
  const result = withRun(plan, listeners, controls, async (run) => {
    const { config, source, learner, store, state, stop } = run;
    let interrupted: boolean;
    try {
      await listeners.notify('onStore', store.folder);
      await listeners.notify('onBegin', { ...config, name: store.name ?? config.name });
      await listeners.notify('onSummary', summaryOf(learner.embedder.parameters(), source, state.weights));
      await stop.untilStopped(trainSteps(run));
      interrupted = await finishRun(run);
    } catch (error) {
      const first = firstError(error);
      await abandonRun(run, first);
      throw first;
    }
    await listeners.end(interrupted ? 'interrupted' : 'complete');
    return resultOf(run, interrupted);
  });
  return await result.catch((error: unknown) => {
    throw firstError(error);
  });
}

function resultOf({ source, store, state }: Run, interrupted: boolean): RunResult {
  const { step: steps, evaluations, best, baselines } = state;
  const levels = source.test?.split.levels;
  const skipped = source.skipped().length;
  return {
    folder: store.folder,
    steps,
    interrupted,
    evaluations,
    best,
    baselines,
    skipped,
    ...(levels && { levels }),
  };
}

/** Trains until the last step, or until the run stops. */
async function trainSteps(run: Run): Promise<void> {
  const { config, source, learner, state, group, stop } = run;
  const due = dueOf(config, source);
  await beforeSteps(run, due);
  if (await stopsEarly(run)) return;

  await using feed = feedOf(config, source, learner, { done: state.step, signal: stop.signal });
  let began = performance.now();
  for (let next = await feed.next(); next !== null; next = await feed.next()) {
    using batch = next;
    const step = state.step + 1;
    const lr = learningRate(config, step, source.steps);
    const scalars = learner.scalars();
    const wantPoints = due.health(step) && group.rank === 0;
    const outcome = await takeStep(run, feed, batch, { step, lr, scalars, wantPoints });
    state.step = step;
    if (outcome.stop) stop.agree();

    const { count, waitMs } = batch;
    await logStep(run, { outcome, lr, scalars, count, waitMs, tookMs: performance.now() - began });
    if (due.health(step)) await checkHealth(run, outcome, scalars.c);
    if (due.evaluate(step) && !stop.isStopped) await evaluateRun(run);
    if (due.checkpoint(state)) await saveCheckpoint(run);
    if (stop.isStopped || (due.evaluate(step) && (await stopsEarly(run)))) break;
    began = performance.now();
  }
}

/**
 * Reports a resumed run or measures the baselines, evaluates the network if due and not yet logged, and writes a checkpoint
 * if due.
 */
async function beforeSteps(run: Run, due: Due): Promise<void> {
  const { config, store, state, listeners, group, isResumed } = run;
  if (isResumed && store.folder !== null) await listeners.notify('onResume', store.folder, state.step);
  if (!isResumed && config.baselines && group.rank === 0) await measureBaselines(run);
  // Evaluate again if the log was changed, because the last evaluation is the result of the run.
  const isLogged = () => !store.changedLog && state.evaluations.some(({ step }) => step === state.step);
  const isEvaluated = await fromFirst(group, isLogged);
  if (due.evaluate(state.step) && !isEvaluated) await evaluateRun(run);
  if (due.checkpoint(state)) await saveCheckpoint(run);
}

/** Whether the run stops early because its evaluations no longer improve; warns if so. */
async function stopsEarly({ config, state, listeners, group }: Run): Promise<boolean> {
  const { patience } = config;
  if (!(await fromFirst(group, () => hasStalled(state, patience)))) return false;
  const { epoch, recall } = state.best ?? { epoch: 0, recall: 0 };
  const best = `epoch ${epoch} (Recall@1 ${(100 * recall).toFixed(1)}%)`;
  listeners.warn(
    `the run stopped early, because none of the last ${patience} evaluations improved on ${best}`,
  );
  return true;
}

interface StepSettings {
  step: number;
  lr: number;
  /** Temperatures, curvature and the other options of the loss. */
  scalars: Required<ApplyOptions>;
  /** Whether to return the batch's points. */
  wantPoints: boolean;
}

/** Queues a step, prefetches the next batch, and waits for the result. */
async function takeStep(
  { learner, group, stop }: Run,
  feed: Feed,
  { samples, prefetched }: FeedBatch,
  { step, lr, scalars, wantPoints }: StepSettings,
): Promise<StepOutcome> {
  group.at(`step ${step}`);
  try {
    using embeddings = await learner.embed(samples, prefetched, stop);
    using whole = learner.gather(embeddings, samples);
    using rows = learner.compared(whole, whole.labels);
    using objective = learner.loss.apply(rows, rows.labels, scalars);
    using tree = learner.addTree(objective, whole, whole.labels);
    await learner.backward(objective, embeddings, rows.factor, stop);
    await feed.prefetch();
    learner.update(lr, step);
    // Reading the results waits until the training thread has computed the step.
    const options = { lr, factor: rows.factor, wantPoints, tree, stop: stop.isRequested };
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
