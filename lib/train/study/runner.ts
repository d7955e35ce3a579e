import { coded } from '../../errors.ts';
import type { RunConfig } from '../options/options.ts';
import type { RunResult, TrainHooks } from '../run/hooks.ts';
import { invalidLinesText } from '../run/warnings.ts';
import type { StudyFolder } from './folder.ts';
import type { Cell } from './plan.ts';
import { type Result, remaining, runName } from './results.ts';

/** Callbacks and controls of a study. If a callback returns a promise, the study waits for it; an error ends the study. */
export interface SweepHooks {
  /** Stops the current run and the study; when the study is resumed, the run resumes from its checkpoint. */
  signal?: AbortSignal;
  /** Prepares the data of all runs; called once the study is locked. */
  prepare?: () => Promise<void>;
  /** Called before each run; `done` of `total` runs have a result. */
  onRun?: (run: { cell: Cell; seed: number; done: number; total: number }) => void;
  /** Called after each run. */
  onResult?: (result: Result) => void;
  /** Writes the study's report; called with its folder, and awaited, after each run and at the end. */
  report?: (folder: string) => Promise<void>;
  /** Hooks of the runs themselves; `onWarning` receives each text once per study, because runs share their data. */
  onStep?: TrainHooks['onStep'];
  onWarning?: TrainHooks['onWarning'];
  /** Executes a run, as `train` does. */
  run: (config: RunConfig, hooks: TrainHooks) => Promise<RunResult>;
}

/**
 * Executes the remaining runs of a study, one at a time, and writes the report after each. A run with a non-finite loss
 * (for example at a low temperature) counts as a result. Any other error ends the study; call `sweep` again to resume it.
 * @returns whether the study is complete
 * @throws `ERR_HOROBALL_SWEEP_EXISTS` if a data set or the initial weights have changed since earlier results
 */
export async function sweep(folder: StudyFolder, given: SweepHooks): Promise<boolean> {
  const hooks = { ...given, ...(given.onWarning && { onWarning: distinct(given.onWarning) }) };
  await using _ = await folder.lock();
  await hooks.prepare?.();
  const { plan, invalid } = folder;
  const skipped = invalidLinesText(invalid === null ? {} : { invalid }, 'results.jsonl');
  if (skipped !== null)
    await hooks.onWarning?.(
      `${skipped.slice(0, -1)}; the previous file is kept as results.jsonl.bak, and runs without a valid result are repeated`,
    );
  const total = plan.cells.length * plan.seeds.length;
  for (const { cell, seed } of remaining(plan, folder.results)) {
    await folder.checkHeld(); // the preparation, the previous run and its report may have taken hours
    await hooks.onRun?.({ cell, seed, done: folder.results.length, total });
    const result = await runOnce(folder, cell, seed, hooks);
    if (result === null) break;
    await folder.add(result);
    await hooks.onResult?.(result);
    await hooks.report?.(folder.path);
  }
  await hooks.report?.(folder.path);
  return folder.results.length === total;
}

/** Returns a callback that ignores texts that it was called with before. */
function distinct<T>(call: (text: string) => T): (text: string) => T | undefined {
  const seen = new Set<string>();
  return (text) => {
    if (seen.has(text)) return undefined;
    seen.add(text);
    return call(text);
  };
}

/** Executes one run; returns null if it was interrupted. */
async function runOnce(
  folder: StudyFolder,
  cell: Cell,
  seed: number,
  { signal, onStep, onWarning, run }: SweepHooks,
): Promise<Result | null> {
  const name = runName(cell, seed);
  const began = performance.now();
  const config = { ...cell.config, seed, name, runs: folder.runs };
  let inputs: Inputs = {};
  const hooks: TrainHooks = {
    resume: 'auto',
    onSummary: ({ fingerprint, weights }) => {
      inputs = {
        ...(fingerprint !== null && { fingerprint }),
        ...(weights !== undefined && { weights }),
      };
      checkInputs(folder, cell, inputs);
    },
    ...(signal && { signal }),
    ...(onStep && { onStep }),
    ...(onWarning && { onWarning }),
  };
  const result = (): Omit<Result, 'spaces' | 'error'> => ({
    cell: cell.id,
    seed,
    seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
    ...inputs,
  });
  try {
    const { evaluations, interrupted, steps } = await run(config, hooks);
    if (interrupted) return null;
    const last = evaluations.at(-1);
    const spaces = last?.step === steps ? last.spaces : null;
    const error =
      spaces === null ? 'the run was not evaluated because eval_ep does not include its last epoch' : null;
    return { ...result(), spaces, error };
  } catch (error) {
    if ((error as { code?: unknown } | undefined)?.code !== 'ERR_HOROBALL_DIVERGED') throw error;
    return { ...result(), spaces: null, error: (error as Error).message };
  }
}

/** Identifies the files that a run reads; see {@link Result}. */
type Inputs = Pick<Result, 'fingerprint' | 'weights'>;

/** Rejects a data set or initial weights that differ from those of earlier results, because their recall cannot be compared. */
function checkInputs({ path, plan, results }: StudyFolder, { config }: Cell, got: Inputs): void {
  const isOther = (name: keyof Inputs, isSame: (other: RunConfig) => boolean): boolean => {
    const ids = new Set(plan.cells.flatMap(({ id, config }) => (isSame(config) ? [id] : [])));
    return results.some(
      (result) =>
        ids.has(result.cell) &&
        result[name] !== undefined &&
        got[name] !== undefined &&
        result[name] !== got[name],
    );
  };
  if (isOther('fingerprint', ({ ds, path }) => ds === config.ds && path === config.path)) {
    const message = `[sweep] path: expected the data set of the earlier results in ${path}, got ${config.path} with other images or in another order. Restore the data set, or start a new study with another --out.`;
    throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
  }
  if (isOther('weights', ({ weights }) => weights === config.weights)) {
    const message = `[sweep] weights: expected the initial weights of the earlier results in ${path}, got ${config.weights}, whose contents have changed. Restore the file, or start a new study with another --out.`;
    throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
  }
}
