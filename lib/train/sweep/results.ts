import type { Evaluation, Recall } from '../record.ts';
import type { Cell, Plan } from './plan.ts';

/** A line of results.jsonl: what came of one run of a study. */
export interface Result {
  cell: string;
  seed: number;
  /** Recall on the unseen classes at the end; null where the run lost its numbers. */
  spaces: Evaluation['spaces'] | null;
  seconds: number;
  /** Why there is no recall, in a sentence. */
  error: string | null;
}

/** All that a study's folder says. */
export interface Study {
  name: string;
  plan: Plan;
  results: Result[];
}

/** Recall as a cell's network was trained to be compared: by cosine, by distance, or by the fused score of a hybrid. */
export function recallOfCell({ config }: Cell, { spaces }: Result): Recall | null {
  if (spaces === null) return null;
  if (config.geometry === 'hybrid') return spaces.fused ?? spaces.hyperbolic;
  return config.geometry === 'euclidean' ? spaces.cosine : spaces.hyperbolic;
}

/** Recall@k of a cell's runs by seed. Runs that failed have none. */
export function scoresOf(cell: Cell, results: readonly Result[], k = '1'): Map<number, number> {
  const scores = new Map<number, number>();
  for (const result of results) {
    if (result.cell !== cell.id) continue;
    const score = recallOfCell(cell, result)?.at[k];
    if (score !== undefined) scores.set(result.seed, score);
  }
  return scores;
}

/** The name of a cell's run of one seed. */
export function runName(cell: Cell, seed: number): string {
  return `${cell.id}-s${seed}`;
}

/** What is still to run: seed by seed, so that a study that stops early has compared like with like. */
export function remaining(
  { cells, seeds }: Plan,
  results: readonly Result[],
): { cell: Cell; seed: number }[] {
  const done = new Set(results.map(({ cell, seed }) => `${cell} ${seed}`));
  return seeds.flatMap((seed) =>
    cells.filter(({ id }) => !done.has(`${id} ${seed}`)).map((cell) => ({ cell, seed })),
  );
}
