import { parseEpochs } from '../epochs.ts';
import { type EvaluationRow, evaluationsOf, healthRowsOf, type RunRecord, stepsOf } from '../record.ts';
import { percent } from './tables.ts';

/** `1 step`, `2 steps`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The steps of a whole run; null where nothing tells: before its second epoch, or where it has no epochs. */
export function plannedSteps({ config, rows }: Pick<RunRecord, 'config' | 'rows'>): number | null {
  const second = stepsOf(rows).find(({ epoch }) => epoch === 2);
  return second === undefined ? null : (second.step - 1) * config.ep;
}

/** How far a run came: `360 steps`, or `141 of 360 steps`, whether it was stopped or is still training. */
export function stepWords(record: RunRecord): string {
  const taken = stepsOf(record.rows).at(-1)?.step ?? 0;
  const planned = plannedSteps(record);
  return planned !== null && taken < planned ? `${taken} of ${planned} steps` : counted(taken, 'step');
}

/** When an evaluation was made. */
export function momentOf({ epoch }: EvaluationRow): string {
  return epoch === 0 ? 'before training' : `after epoch ${epoch}`;
}

/** Where the run went on after its last evaluation, whose recall is then not that of the weights it ended with. */
export function beyondWords({ rows }: RunRecord): string | null {
  const last = evaluationsOf(rows).at(-1);
  const taken = stepsOf(rows).at(-1)?.step ?? 0;
  if (last === undefined || taken <= last.step) return null;
  return `The figures are of step ${last.step}; the run went on to step ${taken}.`;
}

/** The best of several evaluations, by the distance that the run trains, where it is not the last. */
export function bestWords({ config, rows }: RunRecord): string | null {
  const [space, name] =
    config.geometry === 'euclidean'
      ? (['cosine', 'cosine'] as const)
      : (['hyperbolic', 'hyperbolic distance'] as const);
  const evaluations = evaluationsOf(rows);
  const at1 = (row: EvaluationRow): number => row.spaces[space].at['1'] ?? 0;
  const trained = evaluations.filter(({ epoch }) => epoch > 0);
  const [best] = [...trained].sort((a, b) => at1(b) - at1(a)); // of equals the first, as best.safetensors
  if (best === undefined || best === evaluations.at(-1)) return null;
  const kept = config.save_every === null ? '' : '; best.safetensors keeps that network';
  return `The best evaluation was that after epoch ${best.epoch}: Recall@1 ${percent(at1(best))} % by ${name}${kept}.`;
}

/** Why a run has no recall to show, and when it will have one; null where it has. */
export function unevaluatedWords(record: RunRecord): string | null {
  const { config, rows } = record;
  if (evaluationsOf(rows).length > 0) return null;
  const last = stepsOf(rows).at(-1);
  const due = (parseEpochs(config.eval_ep) ?? []).filter((epoch) => epoch > 0 && epoch <= config.ep);
  if (due.length === 0) return `Not evaluated: eval_ep is ${config.eval_ep}.`;
  const first = Math.min(...due);
  const passed = last !== undefined && (last.epoch > first || last.step === plannedSteps(record));
  // Batches of the caller's own are one epoch without an end, and have no test pictures.
  const endless = last?.epoch === 1 && healthRowsOf(rows).some(({ step }) => step < last.step);
  return passed || endless
    ? 'Not evaluated.'
    : `Not evaluated yet: the first evaluation is after epoch ${first}.`;
}
