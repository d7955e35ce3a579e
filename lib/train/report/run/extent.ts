import { trainedSpace } from '../../options/define.ts';
import { parseEpochs } from '../../options/epochs.ts';
import {
  type EvaluationRow,
  evaluationsOf,
  healthRowsOf,
  type RunRecord,
  stepsOf,
} from '../../run/record.ts';
import { orZero, percent } from '../tables.ts';

/** Formats a count with its noun: `1 step`, `2 steps`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Returns the planned number of steps; null if unknown: before the second epoch, or in a run without epochs. */
export function plannedSteps({ config, rows }: Pick<RunRecord, 'config' | 'rows'>): number | null {
  const second = stepsOf(rows).find(({ epoch }) => epoch === 2);
  return second === undefined ? null : (second.step - 1) * config.ep;
}

/** Returns the progress of a run: `360 steps`, or `141 of 360 steps` if it was stopped or is still training. */
export function stepsText(record: RunRecord): string {
  const taken = stepsOf(record.rows).at(-1)?.step ?? 0;
  const planned = plannedSteps(record);
  return planned !== null && taken < planned ? `${taken} of ${planned} steps` : counted(taken, 'step');
}

/** Describes the time of an evaluation. */
export function evaluationTimeText({ epoch }: EvaluationRow): string {
  return epoch === 0 ? 'before training' : `after epoch ${epoch}`;
}

/** Returns a note if training continued after the last evaluation, whose recall is then outdated; otherwise null. */
export function trainedFurtherText({ rows }: RunRecord): string | null {
  const last = evaluationsOf(rows).at(-1);
  const taken = stepsOf(rows).at(-1)?.step ?? 0;
  if (last === undefined || taken <= last.step) return null;
  return `These results are from step ${last.step}; training continued to step ${taken}.`;
}

/**
 * Describes the evaluation with the highest Recall@1 in the space of {@link trainedSpace}, not counting epoch 0; null if it
 * is the last, or if no other epoch was evaluated.
 */
export function bestEvaluationText({ config, rows }: RunRecord): string | null {
  const space = trainedSpace(config.geometry);
  const name = { cosine: 'cosine', hyperbolic: 'hyperbolic distance' }[space];
  const evaluations = evaluationsOf(rows);
  const at1 = (row: EvaluationRow): number => orZero(row.spaces[space].at['1']);
  const trained = evaluations.filter(({ epoch }) => epoch > 0);
  const [best] = [...trained].sort((a, b) => at1(b) - at1(a)); // ties go to the earliest, as in best.safetensors
  if (best === undefined || best === evaluations.at(-1)) return null;
  const kept = config.save_every === null ? '' : '; best.safetensors has these weights';
  return `The best evaluation was after epoch ${best.epoch}: Recall@1 ${percent(at1(best))}% by ${name}${kept}.`;
}

/** Explains why recall was not measured, and when it will be; null if it was measured. */
export function notEvaluatedText(record: RunRecord): string | null {
  const { config, rows } = record;
  if (evaluationsOf(rows).length > 0) return null;
  const last = stepsOf(rows).at(-1);
  const epochs = parseEpochs(config.eval_ep) ?? [];
  if (last === undefined && epochs.includes(0))
    return 'Not evaluated yet: the first evaluation is before training.';
  const due = epochs.filter((epoch) => epoch > 0 && epoch <= config.ep);
  if (due.length === 0) return `Not evaluated: eval_ep is ${config.eval_ep}.`;
  const first = due.reduce((a, b) => Math.min(a, b));
  const passed = last !== undefined && (last.epoch > first || last.step === plannedSteps(record));
  // A run on custom batches is never evaluated. It stays in epoch 1, but has health checks before its last step.
  const endless = last?.epoch === 1 && healthRowsOf(rows).some(({ step }) => step < last.step);
  return passed || endless
    ? 'Not evaluated.'
    : `Not evaluated yet: the first evaluation is after epoch ${first}.`;
}
