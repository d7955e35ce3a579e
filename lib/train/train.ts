import { checkOptions } from '../check.ts';
import { asRank } from './distributed/as-rank.ts';
import { fromFirst, type RankGroup } from './lane/group.ts';
import { checkWorkingFolder } from './lane/native.ts';
import type { RunConfig } from './options/options.ts';
import { TensorBoard } from './report/run/tensorboard.ts';
import { ReportWriter } from './report/run/write.ts';
import {
  checkHooks,
  Listeners,
  type RunControls,
  type RunListener,
  type RunResult,
  type TrainHooks,
} from './run/hooks.ts';
import { executeRun } from './run/loop.ts';
import { planRun, type RunPlan } from './run/plan.ts';

/** The result of a run and its report. */
export interface TrainResult extends RunResult {
  /**
   * Path of the report; null without a run folder, on ranks other than 0, or if the report could not be drawn (`onWarning`
   * receives the reason).
   */
  report: string | null;
}

/**
 * Trains a network, evaluates it on the test split, and stores the run in `runs/<name>/` with a report and TensorBoard
 * event files.
 *
 * The run writes checkpoints. `hooks.resume` resumes from the last one; on the CPU, the result is bit-identical to an
 * uninterrupted run with the same libtorch version and number of threads.
 *
 * @param options - see `RunConfig`; missing options take their defaults or, in a resumed run, the values of that run
 * @param hooks - callbacks, a signal to stop, custom batches, and the run to resume
 * @throws RangeError `ERR_HOROBALL_CONFIG` for an invalid option; `ERR_HOROBALL_DIVERGED` if the loss or a gradient is not
 * finite; `ERR_HOROBALL_RUN_EXISTS`, `ERR_HOROBALL_RUN_BUSY` or `ERR_HOROBALL_CHECKPOINT` for an unusable run folder; the
 * errors of `openDataset`, `loadWeights`, the training layer and the file system
 * @example
 * const { evaluations } = await train({ ds: 'shapes', geometry: 'hybrid', ep: 50 });
 */
export async function train(
  options: Readonly<Partial<RunConfig>> = {},
  hooks: TrainHooks = {},
): Promise<TrainResult> {
  checkOptions('train', options);
  const checked = checkHooks(hooks);
  checkWorkingFolder();
  const { signal, data, resume } = checked;
  return await asRank(checked.group, async (group) => {
    const planning = new Listeners([checked]);
    const plan = await planOnFirst(group, () =>
      planRun(options, { resume, note: planning.warn, ranks: group.place }),
    );
    await planning.flush();
    return await trainPlan(plan, [checked], { signal, data, group });
  });
}

/**
 * Plans a run on rank 0.
 *
 * @returns the plan, on every rank
 */
export async function planOnFirst(group: RankGroup, plan: () => Promise<RunPlan>): Promise<RunPlan> {
  group.at('the startup phase'); // as in native/torch/heartbeat.cc
  return await fromFirst(group, plan);
}

/** Executes a planned run. Only rank 0 notifies the listeners, and writes the report and TensorBoard's event files. */
export async function trainPlan(
  plan: RunPlan,
  given: readonly RunListener[],
  controls: RunControls,
): Promise<TrainResult> {
  const isFirst = controls.group.rank === 0;
  const listeners = new Listeners(isFirst ? given : []);
  const report = new ReportWriter(listeners.warn);
  const isStored = plan.folder !== null || plan.config.runs !== null;
  if (isFirst && isStored) for (const each of [new TensorBoard(listeners.warn), report]) listeners.add(each);
  const result = await executeRun(plan, listeners, controls);
  await listeners.flush(); // delivers the warnings of the report
  return { ...result, report: report.path };
}
