import { checkOptions } from '../check.ts';
import { placeOf } from './distributed/environment.ts';
import { ProcessGroup } from './lane/group.ts';
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
import { performRun } from './run/loop.ts';
import { type Plan, planRun } from './run/plan.ts';

/** The result of a run and its report. */
export interface TrainResult extends RunResult {
  /** Path of the report; null without a run folder, or if it could not be drawn (`onWarning` receives the reason). */
  report: string | null;
}

/**
 * Trains a network, evaluates it on unseen classes, and stores the run in `runs/<name>/` with a report and TensorBoard event
 * files.
 *
 * The run writes checkpoints. `hooks.resume` resumes from the last one; on the CPU, the result is bit-identical to an
 * uninterrupted run with the same libtorch version and number of threads.
 *
 * @param options - see `RunConfig`; missing options have their defaults or, in a resumed run, the values of the run
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
  const listeners = new Listeners([checked]);
  return await inGroup(checked.group, async (group) => {
    const plan = await sharedPlan(group, () =>
      planRun(options, checked.resume, listeners.warn, group?.place),
    );
    await listeners.flush();
    return await trainPlan(plan, [checked], { ...checked, group });
  });
}

/**
 * Runs `work` as a rank of a group. If it fails, the other ranks are notified.
 * @param given - the caller's group, which stays open; by default the one that the environment describes, if any
 */
export async function inGroup<T>(
  given: ProcessGroup | null | undefined,
  work: (group: ProcessGroup | null) => Promise<T>,
): Promise<T> {
  const place = given === undefined ? placeOf(process.env) : null;
  const group = place === null ? (given ?? null) : await ProcessGroup.join(place);
  if (group === null) return await work(null);
  try {
    const result = await work(group);
    if (given === undefined) await group.close();
    return result;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== 'ERR_HOROBALL_RANK') group.fail(message);
    if (given === undefined) await group.close().catch(() => {}); // the first error counts
    throw error;
  }
}

/** Returns the plan of rank 0 on every rank. */
export async function sharedPlan(group: ProcessGroup | null, plan: () => Promise<Plan>): Promise<Plan> {
  if (group === null) return await plan();
  group.at('planning');
  const text = await group.share(group.rank === 0 ? JSON.stringify(await plan()) : '');
  return JSON.parse(text) as Plan;
}

/** Performs a planned run with listeners; adds those for the report and TensorBoard. */
export async function trainPlan(
  plan: Plan,
  given: readonly RunListener[],
  controls: RunControls = {},
): Promise<TrainResult> {
  const listeners = new Listeners(given);
  const report = new ReportWriter(listeners.warn);
  const isFirst = (controls.group?.rank ?? 0) === 0;
  const isStored = isFirst && (plan.folder !== null || plan.config.runs !== null);
  if (isStored) for (const each of [new TensorBoard(listeners.warn), report]) listeners.add(each);
  const result = await performRun(plan, listeners, controls);
  await listeners.flush(); // warnings of the report
  return { ...result, report: report.path };
}
