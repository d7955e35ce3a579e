import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { random } from '../../../lib/random.ts';
import type { Recall } from '../../../lib/train/measure/types.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import type { RunResult } from '../../../lib/train/run/hooks.ts';
import { parseAxis } from '../../../lib/train/study/axes.ts';
import { makePlan, type StudyPlan } from '../../../lib/train/study/plan.ts';
import type { Result, Study } from '../../../lib/train/study/results.ts';
import { evaluationRow } from '../fake-run.ts';

export const seeds: number[] = [1, 2, 3, 4, 5];

export function plan(controls = false): StudyPlan {
  return makePlan({ axes: { t: parseAxis('t', '0.05,0.1,0.2') }, seeds, controls });
}

export function recall(at1: number): Recall {
  return { at: { 1: at1, 2: at1 + 0.05 }, strict: [] };
}

export function result(cell: string, seed: number, at1: number): Result {
  const spaces = { hyperbolic: recall(at1), cosine: recall(at1), body: recall(at1) };
  return { cell, seed, spaces, seconds: 50, error: null };
}

/**
 * A synthetic study: every arm has a different best temperature. Noise has a standard deviation of 3 points per seed,
 * common to its runs, and of 1 point per run.
 *
 * @param planted - by how much the recall of each arm exceeds that of the others, as a fraction
 */
export function syntheticStudy(
  draw: number,
  planted: Readonly<Record<string, number>> = {},
  made: StudyPlan = plan(),
): Study {
  const best = [0.05, 0.1, 0.2];
  const arms = [...new Set(made.cells.map(({ arm }) => arm))];
  const luck = new Map(seeds.map((seed) => [seed, 0.03 * normal(draw, seed)]));
  const results = made.cells.flatMap((cell, i) =>
    seeds.map((seed) => {
      const { geometry, t_e, t_h } = cell.config;
      const away = Math.log2((geometry === 'euclidean' ? t_e : t_h) / best[arms.indexOf(cell.arm) % 3]!);
      const score = 0.5 + luck.get(seed)! - 0.02 * away ** 2 + 0.01 * normal(draw, seed, i + 1);
      return result(cell.id, seed, score + (planted[cell.arm] ?? 0));
    }),
  );
  return { name: 'made-up', plan: made, results };
}

function normal(...key: number[]): number {
  const next = random(...key);
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Replaces training: writes a run folder with one evaluation. */
export async function quick({ runs, name, seed, ep }: RunConfig): Promise<RunResult> {
  const folder = join(runs!, name!);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'report.html'), '');
  const row = evaluationRow(ep, 0.5 + 0.01 * seed);
  const evaluations = [row];
  return { folder, steps: row.step, interrupted: false, evaluations, best: null, baselines: [], skipped: 0 };
}
