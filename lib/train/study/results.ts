import { join } from 'node:path';
import { z } from 'zod';
import { geometryTerms } from '../../card-names.ts';
import type { Evaluation, Recall } from '../measure/types.ts';
import { trainedSpace } from '../options/define.ts';
import { type OptionName, optionOf, optionsWhere, type RunConfig } from '../options/options.ts';
import { storedConfig } from '../options/resolve.ts';
import type { InvalidLines } from '../run/record.ts';
import { spacesSchema } from '../run/run-schema.ts';
import { invalidLinesText } from '../run/warnings.ts';
import { axisNames } from './axes.ts';
import { type Cell, maxCells, maxRuns, type StudyPlan } from './plan.ts';

/** A line of results.jsonl: the result of one run of a study. */
export interface Result {
  cell: string;
  seed: number;
  /** Recall on the test classes after the last step; null if the loss was not finite or this step was not evaluated. */
  spaces: Evaluation['spaces'] | null;
  seconds: number;
  /** The reason if recall is missing; otherwise null. */
  error: string | null;
  /** The fingerprint of the run's data set, as in `RunSummary`; absent in results of earlier versions. */
  fingerprint?: number;
  /** The CRC-32 of the run's initial weights, as in `RunSummary`; absent in results of earlier versions. */
  weights?: number | null;
}

/** The contents of a study folder. */
export interface Study {
  name: string;
  plan: StudyPlan;
  results: Result[];
  /** Invalid lines of results.jsonl, which were skipped; absent if all are valid. */
  invalid?: InvalidLines;
}

/** Maximum duration of a run in seconds, about 30 years: reports add durations, which must not become infinite. */
const maxSeconds = 1e9;

/** Schema of a line of results.jsonl. */
export const resultSchema: z.ZodType<Result> = z.looseObject({
  cell: z.string(),
  seed: z.int(),
  spaces: spacesSchema.nullable(),
  seconds: z.nullable(z.number().min(0).max(maxSeconds)).transform((seconds) => seconds ?? Number.NaN),
  error: z.string().nullable(),
  fingerprint: z.number().exactOptional(),
  weights: z.number().nullable().exactOptional(),
});

const config = z.record(z.string(), z.unknown()).transform((options, context): RunConfig => {
  try {
    return storedConfig(options);
  } catch (error) {
    context.addIssue((error as Error).message.replace(/^\[train\] /, ''));
    return z.NEVER;
  }
});

/** Maximum number of arms, because reports compare every pair of them; a study has at most six. */
const maxArms = 16;
/** Maximum length of a cell's label, which a terminal pads to the longest one. */
const maxLabel = 2 ** 20;
/** Maximum number of characters that the options take in results.csv, which repeats those of a cell for each seed. */
const maxTableText = 2 ** 26;

/** Schema of sweep.json. */
export const planSchema: z.ZodType<StudyPlan> = z
  .object({
    cells: z
      .array(
        z.object({
          id: z
            .string()
            .max(255)
            .regex(/^[\w.-]+$/),
          arm: z.string().max(255), // limited, because a page repeats it for every pair of arms
          label: z.string().max(maxLabel),
          config,
        }),
      )
      .min(1)
      .max(maxCells),
    seeds: z.array(z.int()).min(1).max(maxRuns),
    // Distinct, because a page has a table of all settings for each.
    varied: z.array(z.enum(axisNames)).max(axisNames.length).refine(isDistinct, 'an option occurs twice'),
  })
  .refine(({ cells }) => isDistinct(cells.map(({ id }) => id)), 'two settings have the same id')
  .refine(({ seeds }) => isDistinct(seeds), 'a seed occurs twice')
  .refine(({ cells }) => new Set(cells.map(({ arm }) => arm)).size <= maxArms, `more than ${maxArms} arms`)
  .refine(({ cells, seeds }) => cells.length * seeds.length <= maxRuns, `more than ${maxRuns} runs`)
  .refine(
    (plan) => tableTextOf(plan) <= maxTableText,
    `its options take more than ${maxTableText} characters in results.csv`,
  );

function isDistinct(list: readonly unknown[]): boolean {
  return new Set(list).size === list.length;
}

/** Returns the options that have a column in the table of a study. */
export function columnsOf({ varied }: Pick<StudyPlan, 'varied'>): OptionName[] {
  const always = optionsWhere(({ studyColumn }) => studyColumn ?? false);
  return [...new Set([...always, ...varied])].filter((name) => optionOf(name).sets === undefined);
}

/** Returns the number of characters that the options take in the table of a complete study. */
function tableTextOf({ cells, seeds, varied }: StudyPlan): number {
  const columns = columnsOf({ varied });
  const lengthOf = ({ config }: Cell): number =>
    columns.reduce((sum, name) => sum + String(config[name] ?? '').length, 0);
  return seeds.length * cells.reduce((sum, cell) => sum + lengthOf(cell), 0);
}

/** Returns notes about invalid lines in the results of studies. The keys are paths of the studies' folders. */
export function resultNotes(studies: Readonly<Record<string, Study>>): string[] {
  return Object.entries(studies).flatMap(
    ([folder, study]) => invalidLinesText(study, join(folder, 'results.jsonl')) ?? [],
  );
}

/** Returns recall in the space that a cell trains: cosine, hyperbolic distance, or the fused score for hybrid. */
export function recallOfCell({ config }: Cell, { spaces }: Result): Recall | null {
  if (spaces === null) return null;
  const trained = spaces[trainedSpace(config.geometry)];
  const { inner, distance } = geometryTerms[config.geometry];
  return inner && distance ? (spaces.fused ?? trained) : trained;
}

/** Returns Recall@k of a cell's runs by seed, without failed runs. */
export function scoresOf(cell: Cell, results: readonly Result[], k = '1'): Map<number, number> {
  const scores = new Map<number, number>();
  for (const result of results) {
    if (result.cell !== cell.id) continue;
    const score = recallOfCell(cell, result)?.at[k];
    if (score !== undefined && !Number.isNaN(score)) scores.set(result.seed, score);
  }
  return scores;
}

/** Returns the name of a cell's run with this seed. */
export function runName(cell: Pick<Cell, 'id'>, seed: number): string {
  return `${cell.id}-s${seed}`;
}

/** Returns the remaining runs, ordered by seed, so that a partial study compares cells on the same seeds. */
export function remaining(
  { cells, seeds }: StudyPlan,
  results: readonly Result[],
): { cell: Cell; seed: number }[] {
  const done = new Set(results.map(({ cell, seed }) => `${cell} ${seed}`));
  return seeds.flatMap((seed) =>
    cells.filter(({ id }) => !done.has(`${id} ${seed}`)).map((cell) => ({ cell, seed })),
  );
}
