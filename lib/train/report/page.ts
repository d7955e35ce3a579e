import type { RunConfig } from '../config.ts';
import { evaluationsOf, type RunRecord, type StepRow, stepsOf } from '../record.ts';
import { binned, lineChart, smoothed } from './chart.ts';
import { lineColours } from './colour.ts';
import { diskFigure } from './disk.ts';
import { galleryFigure } from './gallery.ts';
import { type Html, html, type Part } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';
import { evaluationLines, percent, type RecallLine, recallTable, spaceNames } from './tables.ts';

/** Points that a chart of this width can show. */
const bins = 180;

/** One run as one self-contained page. */
export function runPage(record: RunRecord): string {
  const { config, snapshot } = record;
  return page(
    `${record.name} · horoball`,
    html`<header><p class="brand">horoball</p><h1>${record.name}</h1>
<p class="lede">${lede(record)}</p>${keyFigures(record)}</header>
${recallSection(record)}
${curvesSection(record)}
${
  snapshot === null
    ? null
    : html`<section><h2>The Poincaré disk</h2>
<p>Pictures of classes that training never saw: their tangent vectors at the origin along the two directions of
largest variance, mapped back to the ball. Point at one to see its class.</p>${diskFigure(snapshot)}</section>
<section><h2>Nearest neighbours</h2>
<p>Some test pictures, each with the nearest others by hyperbolic distance. Green: the same class; red: another.</p>
${galleryFigure(snapshot)}</section>`
}
<section><h2>Settings</h2>${settings(config)}</section>`,
  );
}

/** A whole page around its contents. */
export function page(title: string, body: Html): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html`${title}`}</title><style>${style}</style></head>
<body>
${body}
<footer>Made by horoball. This page is one file and loads nothing.</footer>
<script type="module">${script}</script>
</body></html>
`;
}

function lede({ config, rows }: RunRecord): Part {
  const steps = stepsOf(rows);
  const took = rows.at(-1)?.seconds;
  return [
    config.shuffle_labels ? 'A control: trained on shuffled labels. ' : '',
    `${config.geometry} loss, ${config.model} on ${config.ds}, ${steps.length} steps of ${config.bs} pictures`,
    config.geometry === 'euclidean' ? '' : `, c = ${config.hyp_c}`,
    took === undefined ? '' : `, ${duration(took)}`,
    `, seed ${config.seed}.`,
  ].join('');
}

function keyFigures({ rows }: RunRecord): Part {
  const evaluations = evaluationsOf(rows);
  const last = evaluations.at(-1);
  const untrained = evaluations.find((row) => row.epoch === 0);
  const steps = stepsOf(rows);
  const figures: [string, string][] = [];
  if (last) figures.push([percent(last.spaces.hyperbolic.at['1']), 'Recall@1 on unseen classes, %']);
  if (untrained && untrained !== last) {
    figures.push([percent(untrained.spaces.hyperbolic.at['1']), 'before training, %']);
  }
  if (last) figures.push([`${last.classes}`, `classes, ${last.pictures} pictures`]);
  if (steps.length > 0) figures.push([medianRate(steps).toFixed(0), 'pictures a second, in training']);
  return html`<ul class="figures">${figures.map(([value, name]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>`;
}

function medianRate(steps: readonly { imagesPerSecond: number }[]): number {
  return steps.map((row) => row.imagesPerSecond).sort((a, b) => a - b)[steps.length >> 1] ?? 0;
}

function recallSection({ rows, snapshot }: RunRecord): Part {
  const evaluations = evaluationsOf(rows);
  const last = evaluations.at(-1);
  if (last === undefined) return null;
  const lines = evaluationLines(last);
  const untrained = evaluations.find((row) => row.epoch === 0);
  const beside: RecallLine[] = [];
  if (untrained && untrained !== last) {
    beside.push({ name: 'Untrained network, head', recall: untrained.spaces.hyperbolic });
    beside.push({ name: 'Untrained network, backbone', recall: untrained.spaces.body });
  }
  for (const baseline of snapshot?.baselines ?? []) beside.push(baseline);
  const strict = last.spaces.body.strict.length > 0;
  return html`<section><h2>Recall on unseen classes</h2>
<p>Share, in percent, of test pictures with a picture of their class among the k nearest others.${
    strict
      ? ' Same genus: the nearest picture of another class is of the same genus; same family: the nearest of another genus is of the same family.'
      : null
  }</p>
${recallTable([...lines, ...beside])}</section>`;
}

function curvesSection({ rows, snapshot }: RunRecord): Part {
  const charts = [recallChart(rows, snapshot?.baselines ?? []), lossChart(stepsOf(rows))].filter(
    (chart) => chart !== null,
  );
  return charts.length === 0
    ? null
    : html`<section><h2>Training</h2><div class="charts">${charts}</div></section>`;
}

function lossChart(steps: readonly StepRow[]): Html | null {
  if (steps.length < 2) return null;
  const { x, y } = binned(
    steps.map((row) => row.step),
    steps.map((row) => row.loss),
    bins,
  );
  const smooth = smoothed(y, Math.max(1, Math.round(y.length / 20)));
  const series = [{ name: 'loss', colour: lineColours[0]!, x, y: smooth, faint: y }];
  return lineChart({ title: 'Loss', xLabel: 'step', series });
}

function recallChart(rows: RunRecord['rows'], baselines: readonly RecallLine[]): Html | null {
  const evaluations = evaluationsOf(rows);
  if (evaluations.length < 2) return null;
  const series = (Object.keys(spaceNames) as (keyof typeof spaceNames)[]).map((space, i) => ({
    name: spaceNames[space],
    colour: lineColours[i]!,
    x: evaluations.map((row) => row.epoch),
    y: evaluations.map((row) => row.spaces[space].at['1'] ?? Number.NaN),
  }));
  const marks = baselines.map((baseline) => ({ name: baseline.name, y: baseline.recall.at['1'] ?? 0 }));
  return lineChart({ title: 'Recall@1', xLabel: 'epoch', series, percent: true, yMin: 0, marks });
}

/** Every option of the run. */
export function settings(config: RunConfig): Html {
  return html`<dl class="settings">${Object.entries(config).map(
    ([key, value]) => html`<div><dt>${key}</dt><dd>${value === null ? 'none' : String(value)}</dd></div>`,
  )}</dl>`;
}

/** Seconds in words: `48 s`, `2 min 41 s`, `1 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}
