import { learnable } from '../../options/options.ts';
import { evaluationsOf, type Row, type StepRow } from '../../run/record.ts';
import type { Html } from '../html.ts';
import { type RecallLine, spaceNames } from '../tables.ts';
import { binned, lineChart, type Series, smoothed, smoothingWindow } from './chart.ts';
import { lineColors } from './color.ts';

/** Maximum number of points of a line; charts are too narrow to show more. */
const bins = 180;

/** Draws the loss per step and its smoothed line. */
export function lossChart(steps: readonly StepRow[]): Html | null {
  if (steps.length < 2) return null;
  return stepChart('Loss', steps, 'loss', (row) => row.loss);
}

/** Draws Recall@1 per space after each evaluation, with untrained baselines. */
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
    // Both outputs of head `hypmix` have the same ranking, so identical lines are drawn once, with all names.
    const same = series.find((one) => one.y.every((value, at) => Object.is(value, y[at])));
    if (same === undefined)
      series.push({ name, color: lineColors[i]!, x: evaluations.map((row) => row.epoch), y });
    else same.name += ` = ${name}`;
  }
  const marks = baselines.map(({ name, recall }) => ({ name, y: recall.at['1'] ?? Number.NaN }));
  return lineChart({ title: 'Recall@1', xLabel: 'epoch', series, percent: true, yMin: 0, marks });
}

/** Draws alignment and uniformity after each evaluation; a line without any measured value is labeled as not measured. */
export function spreadChart(rows: readonly Row[]): Html | null {
  const found = evaluationsOf(rows).flatMap(({ epoch, spread }) => (spread ? [{ epoch, ...spread }] : []));
  if (found.length < 2) return null;
  const x = found.map(({ epoch }) => epoch);
  const series = [
    {
      name: 'alignment: squared distance within classes',
      color: lineColors[0]!,
      x,
      y: found.map(({ alignment }) => alignment),
    },
    {
      name: 'uniformity: concentration of all points',
      color: lineColors[1]!,
      x,
      y: found.map(({ uniformity }) => uniformity),
    },
  ];
  return lineChart({ title: 'Alignment and uniformity (lower is better)', xLabel: 'epoch', series });
}

/** Draws the throughput in images/s. */
export function throughputChart(steps: readonly StepRow[]): Html | null {
  return stepChart('Throughput, images/s', steps, 'images/s', (row) => row.imagesPerSecond, 0);
}

/** Draws the data-loading wait per step in milliseconds. */
export function waitChart(steps: readonly StepRow[]): Html | null {
  return stepChart('Data-loading wait, ms', steps, 'wait', (row) => row.waitMs, 0);
}

/** Draws the gradient norm of each step (see `StepRow`); steps whose gradient overflowed are gaps. */
export function gradientChart(steps: readonly StepRow[]): Html | null {
  return stepChart('Gradient norm', steps, 'norm', (row) => row.gradNorm ?? Number.NaN, 0);
}

/** Draws learnable temperatures and curvature, relative to their initial values. */
export function learnableChart(steps: readonly StepRow[]): Html | null {
  const names = learnable.filter((name) => steps[0]?.[name] !== undefined);
  if (names.length === 0 || steps.length < 2) return null;
  const x = steps.map(({ step }) => step);
  const series = names.map((name, i): Series => {
    const values = steps.map((row) => row[name] ?? Number.NaN);
    const first = values.find(Number.isFinite) ?? Number.NaN;
    const relative = values.map((value) => value / first);
    return {
      name: Number.isNaN(first) ? name : `${name} (initially ${Number(first.toPrecision(3))})`,
      color: lineColors[i]!,
      ...binned(x, relative, bins),
    };
  });
  return lineChart({ title: 'Learnable scalars relative to their initial values', xLabel: 'step', series });
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
  const series = [{ name: label, color: lineColors[0]!, x, y: smoothed(y, window), faint: y }];
  return lineChart({ title, xLabel: 'step', series, ...(yMin !== undefined && { yMin }) });
}
