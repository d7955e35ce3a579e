import { evaluationsOf, type Row, type StepRow } from '../record.ts';
import { binned, lineChart, type Series, smoothed, smoothingWindow } from './chart.ts';
import { lineColours } from './colour.ts';
import type { Html } from './html.ts';
import { type RecallLine, spaceNames } from './tables.ts';

/** Points that a chart of this width can show. */
const bins = 180;

/** The loss, and a smoothed line through it. */
export function lossChart(steps: readonly StepRow[]): Html | null {
  if (steps.length < 2) return null;
  return stepChart('Loss', steps, 'loss', (row) => row.loss);
}

/** Recall@1 of each space after each evaluation, beside what nobody trained. */
export function recallChart(rows: readonly Row[], baselines: readonly RecallLine[]): Html | null {
  const evaluations = evaluationsOf(rows);
  if (evaluations.length < 2) return null;
  const spaces = (Object.keys(spaceNames) as (keyof typeof spaceNames)[]).filter((space) =>
    evaluations.some((row) => row.spaces[space] !== undefined),
  );
  const series: Series[] = [];
  for (const [i, space] of spaces.entries()) {
    const name = spaceNames[space];
    const y = evaluations.map((row) => row.spaces[space]?.at['1'] ?? Number.NaN);
    // The outputs of a tied head rank alike: of lines that hide each other one is drawn, under all their names.
    const same = series.find((one) => one.y.every((value, at) => value === y[at]));
    if (same === undefined)
      series.push({ name, colour: lineColours[i]!, x: evaluations.map((row) => row.epoch), y });
    else same.name += ` = ${name}`;
  }
  const marks = baselines.map((baseline) => ({ name: baseline.name, y: baseline.recall.at['1'] ?? 0 }));
  return lineChart({ title: 'Recall@1', xLabel: 'epoch', series, percent: true, yMin: 0, marks });
}

/** Alignment and uniformity after each evaluation. */
export function spreadChart(rows: readonly Row[]): Html | null {
  const found = evaluationsOf(rows).flatMap(({ epoch, spread }) => (spread ? [{ epoch, ...spread }] : []));
  if (found.length < 2) return null;
  const x = found.map(({ epoch }) => epoch);
  const series = [
    {
      name: 'alignment: squared distance within a class',
      colour: lineColours[0]!,
      x,
      y: found.map(({ alignment }) => alignment),
    },
    {
      name: 'uniformity: crowding of all',
      colour: lineColours[1]!,
      x,
      y: found.map(({ uniformity }) => uniformity),
    },
  ];
  return lineChart({ title: 'Alignment and uniformity (lower is better)', xLabel: 'epoch', series });
}

/** Pictures a second. */
export function throughputChart(steps: readonly StepRow[]): Html | null {
  return stepChart('Pictures a second', steps, 'pictures a second', (row) => row.imagesPerSecond, 0);
}

/** Milliseconds that a step waited for pictures. */
export function waitChart(steps: readonly StepRow[]): Html | null {
  return stepChart('Wait for pictures, ms', steps, 'wait', (row) => row.waitMs, 0);
}

/** The gradient's norm before clipping; steps whose gradient overflowed are left out. */
export function gradientChart(steps: readonly StepRow[]): Html | null {
  const finite = steps.filter(({ gradNorm }) => gradNorm !== undefined);
  return stepChart('Gradient norm', finite, 'norm', (row) => row.gradNorm!, 0);
}

/** Temperatures and curvature as shares of what they were at first, where they are learnt. */
export function learntChart(steps: readonly StepRow[]): Html | null {
  const names = (['t_e', 't_h', 'hyp_c'] as const).filter((name) => steps[0]?.[name] !== undefined);
  if (names.length === 0 || steps.length < 2) return null;
  const x = steps.map(({ step }) => step);
  const series = names.map((name, i): Series => {
    const relative = steps.map((row) => row[name]! / steps[0]![name]!);
    return {
      name: `${name} (at first ${Number(steps[0]![name]!.toPrecision(3))})`,
      colour: lineColours[i]!,
      ...binned(x, relative, bins),
    };
  });
  return lineChart({ title: 'Learnt scalars, times their first value', xLabel: 'step', series });
}

function stepChart(
  title: string,
  steps: readonly StepRow[],
  name: string,
  value: (row: StepRow) => number,
  yMin?: number,
): Html | null {
  if (steps.length < 2) return null;
  const { x, y } = binned(
    steps.map(({ step }) => step),
    steps.map(value),
    bins,
  );
  const window = smoothingWindow(y.length);
  const label = window > 1 ? `${name}, smoothed` : name;
  const series = [{ name: label, colour: lineColours[0]!, x, y: smoothed(y, window), faint: y }];
  return lineChart({ title, xLabel: 'step', series, ...(yMin !== undefined && { yMin }) });
}
