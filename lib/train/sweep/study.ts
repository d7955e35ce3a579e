import type { RunConfig } from '../config.ts';
import type { TrainHooks, TrainResult } from '../hooks.ts';
import { train } from '../loop.ts';
import type { Cell } from './plan.ts';
import { type Result, remaining, runName } from './results.ts';
import type { StudyFolder } from './study-folder.ts';

export interface SweepHooks {
  /** Ends the study after the step that it is in; the run goes on from its checkpoint when the study does. */
  signal?: AbortSignal;
  /** Before a run. `done` of `total` runs have a result. */
  onRun?: (run: { cell: Cell; seed: number; done: number; total: number }) => void;
  onResult?: (result: Result) => void;
  /** Hooks of the runs themselves. */
  onStep?: TrainHooks['onStep'];
  onWarning?: TrainHooks['onWarning'];
  /** What makes a run; `train` by default. */
  run?: (config: RunConfig, hooks: TrainHooks) => Promise<TrainResult>;
}

/**
 * Makes the runs of a study that have no result yet, one after another, and draws the report after each.
 * A run that loses its numbers (a temperature too small) is a result; any other error ends the study, and the same call
 * goes on from there.
 * @returns whether the study is whole
 */
export async function sweep(folder: StudyFolder, hooks: SweepHooks = {}): Promise<boolean> {
  await using _ = await folder.lock();
  const { plan } = folder;
  const total = plan.cells.length * plan.seeds.length;
  for (const { cell, seed } of remaining(plan, folder.results)) {
    hooks.onRun?.({ cell, seed, done: folder.results.length, total });
    const result = await runOnce(folder, cell, seed, hooks);
    if (result === null) break;
    await folder.add(result);
    hooks.onResult?.(result);
    await folder.report();
  }
  await folder.report();
  return folder.results.length === total;
}

/** One run; null where it was interrupted. */
async function runOnce(
  folder: StudyFolder,
  cell: Cell,
  seed: number,
  { signal, onStep, onWarning, run = train }: SweepHooks,
): Promise<Result | null> {
  const name = runName(cell, seed);
  const began = performance.now();
  const seconds = (): number => Number(((performance.now() - began) / 1000).toFixed(1));
  const config = { ...cell.config, seed, name, runs: folder.runs };
  const hooks = {
    resume: 'auto',
    ...(signal && { signal }),
    ...(onStep && { onStep }),
    ...(onWarning && { onWarning }),
  };
  try {
    const { evaluations, interrupted } = await run(config, hooks);
    if (interrupted) return null;
    const spaces = evaluations.at(-1)?.spaces ?? null;
    const error = spaces === null ? 'the run was not evaluated; eval_ep should name its last epoch' : null;
    return { cell: cell.id, seed, spaces, seconds: seconds(), error };
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_DIVERGED') throw error;
    return { cell: cell.id, seed, spaces: null, seconds: seconds(), error: (error as Error).message };
  }
}
