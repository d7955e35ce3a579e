import { clock } from '../train/run/progress.ts';
import type { StudyFolder } from '../train/study/folder.ts';
import type { StudyPlan } from '../train/study/plan.ts';
import { scoresOf } from '../train/study/results.ts';
import { sweep } from '../train/study/runner.ts';
import { train } from '../train/train.ts';
import { generateData } from './generate.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

/** Averaging window for rate and ETA: long enough to include both training and evaluation. */
const windowMs = 300_000;

/** Creates a meter for a sequence of runs. */
export function studyMeter(): Meter {
  return new Meter(process.stderr, { windowMs });
}

/** Settings and callbacks of {@link performStudies}. */
export interface StudyOutput {
  signal: AbortSignal;
  meter: Meter;
  /** Whether results are printed as JSON lines on stdout. */
  json: boolean;
  onWarning: (text: string) => void;
  /** Writes the report of a study. */
  report: (folder: string) => Promise<void>;
}

/**
 * Performs the remaining runs of studies, one study after another, and shows their total progress. Generates missing
 * data sets.
 * @returns whether all are complete
 */
export async function performStudies(
  folders: readonly StudyFolder[],
  { signal, meter, json, onWarning, report }: StudyOutput,
): Promise<boolean> {
  const runs = folders.reduce((sum, { plan }) => sum + countOf(plan), 0);
  const done = folders.reduce((sum, { results }) => sum + results.length, 0);
  if (done > 0) meter.say(`Resuming: ${done} of ${runs} runs are done.`);
  let [current, before, began] = ['', 0, 0];
  for (const folder of folders) {
    if (signal.aborted) return false;
    const complete = await sweep(folder, {
      ...{ signal, run: train, onWarning, report },
      prepare: async () => {
        for (const { ds, path } of dataOf(folder)) await generateData(ds, path, signal);
      },
      onRun: ({ cell, seed, done }) => {
        before = began + done;
        current = `run ${before + 1}/${runs}  ${cell.arm} ${cell.label} seed ${seed}`;
      },
      onStep: ({ step }, steps) => {
        const share = steps === null ? 0 : step / steps;
        const at = steps === null ? `step ${step}` : `step ${step}/${steps}`;
        meter.update(before + share, runs, [current, at]);
      },
      onResult: (result) => {
        if (json) jsonLine({ type: 'result', ...result });
        const cell = folder.plan.cells.find(({ id }) => id === result.cell)!;
        const score = scoresOf(cell, [result]).get(result.seed);
        const outcome = score === undefined ? result.error : `Recall@1 ${(100 * score).toFixed(1)}%`;
        meter.say(`${current}  ${outcome}  ${clock(result.seconds)}`);
      },
    });
    if (!complete) return false;
    began += countOf(folder.plan);
  }
  return true;
}

const countOf = ({ cells, seeds }: StudyPlan): number => cells.length * seeds.length;

/** Returns the distinct data sets of a study. */
function dataOf({ plan }: StudyFolder): Iterable<{ ds: string; path: string }> {
  const configs = plan.cells.map(({ config }) => config);
  return new Map(configs.map(({ ds, path }) => [`${ds} ${path}`, { ds, path }])).values();
}
