import type { Row, StepRow } from '../run/record.ts';

/** Maximum number of rows, hundreds per point of a chart. The training process keeps several hundred bytes per row. */
export const maxRows: number = 2 ** 15;
/** Number of recent steps that are kept, from which the page computes the rate and the remaining time. */
const recent = 100;

/**
 * Averages the older steps in pairs and drops all health checks except the last; repeats this until at most {@link maxRows}
 * rows remain, or none can be dropped.
 */
export function shortened(rows: readonly Row[]): Row[] {
  let shorter = [...rows];
  for (let before = Infinity; shorter.length > maxRows && shorter.length < before; ) {
    before = shorter.length;
    shorter = halved(shorter);
  }
  return shorter;
}

function halved(rows: readonly Row[]): Row[] {
  const steps = rows.filter((row) => row.type === 'step');
  const lastHealth = rows.findLast((row) => row.type === 'health');
  const end = steps.length - recent;
  const kept: Row[] = [];
  let [at, waiting]: [number, StepRow | null] = [0, null];
  for (const row of rows) {
    if (row.type === 'health' && row !== lastHealth) continue;
    // The first step is kept, because it has the initial values of learnable scalars.
    const isOlder = row.type === 'step' && at > 0 && at < end;
    if (row.type === 'step') at++;
    if (!isOlder) {
      if (row.type === 'step' && waiting !== null) kept.push(waiting);
      if (row.type === 'step') waiting = null;
      kept.push(row);
    } else if (waiting === null) waiting = row;
    else {
      kept.push(averaged(waiting, row));
      waiting = null;
    }
  }
  return kept;
}

/** The values that charts show. */
const shown = ['step', 'loss', 'gradNorm', 'imagesPerSecond', 'waitMs', 't_e', 't_h', 'hyp_c'] as const;

function averaged(one: StepRow, other: StepRow): StepRow {
  const means = shown.flatMap((name) => {
    const [a, b] = [one[name], other[name]];
    return a === undefined && b === undefined ? [] : [[name, mean(a ?? Number.NaN, b ?? Number.NaN)]];
  });
  return { ...other, ...Object.fromEntries(means) };
}

/** Returns the mean of the measured values; NaN without any. */
function mean(a: number, b: number): number {
  if (Number.isNaN(a)) return b;
  return Number.isNaN(b) ? a : a / 2 + b / 2;
}
