import type { RunConfig } from '../config.ts';
import { evaluationsOf, healthRowsOf, type RunRecord, stepsOf } from '../record.ts';
import { gradientChart, learntChart, lossChart, recallChart, spreadChart } from './curves.ts';
import { depthTable } from './depth.ts';
import { diskFigure } from './disk.ts';
import { bestWords, beyondWords, counted, momentOf, stepWords, unevaluatedWords } from './extent.ts';
import { galleryFigure } from './gallery.ts';
import { curvatureWords, rankWords, tiedWords } from './head-words.ts';
import { radiusFigure } from './health.ts';

import { type Html, html, type Part } from './html.ts';
import { negativesSection } from './negatives.ts';
import { script } from './script.ts';
import { style } from './style.ts';
import { evaluationLines, percent, type RecallLine, recallTable } from './tables.ts';

/** One run as one self-contained page. */
export function runPage(record: RunRecord): string {
  const { config, snapshot } = record;
  return page(
    `${record.name} · horoball`,
    html`<header><p class="brand">horoball</p><h1>${record.name}</h1>
<p class="lede">${lede(record)}</p>${noteOf(unevaluatedWords(record))}${keyFigures(record)}</header>
${recallSection(record)}
${curvesSection(record)}
${
  snapshot === null
    ? null
    : html`<section><h2>The Poincaré disk</h2>
<p>Pictures of classes that training never saw: their tangent vectors at the origin along the two directions of
largest variance, mapped back to the ball. Point at one to see its class.</p>${diskFigure(snapshot)}${depthTable(snapshot.depth ?? [])}</section>
<section><h2>Nearest neighbours</h2>
<p>Some test pictures, each with the nearest others by hyperbolic distance. Green: the same class; red: another.</p>
${galleryFigure(snapshot)}</section>`
}
${snapshot?.negatives ? negativesSection(snapshot.negatives, curvatureWords(config)) : null}
${healthSection(record)}
<section><h2>Settings</h2>${settings(config)}</section>`,
  );
}

/** A whole page around its contents. `more`: a script beside the pages' own, which runs after it. */
export function page(
  title: string,
  body: Html,
  { more = '', footer = 'This page is one file and loads nothing.' }: { more?: string; footer?: string } = {},
): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html`${title}`}</title><style>${style}</style></head>
<body>
${body}
<footer>${html`Made by horoball. ${footer}`}</footer>
<script type="module">${script}${more}</script>
</body></html>
`;
}

function lede(record: RunRecord): Part {
  const { config, rows } = record;
  const took = rows.at(-1)?.seconds;
  return [
    config.shuffle_labels ? 'A control: trained on shuffled labels. ' : '',
    `${config.geometry} loss, ${config.model} on ${config.ds}, ${stepWords(record)} of ${config.bs} pictures`,
    config.geometry === 'euclidean' ? '' : `, c\u00a0=\u00a0${config.hyp_c}`,
    took === undefined ? '' : `, ${duration(took)}`,
    `, seed\u00a0${config.seed}.`,
  ].join('');
}

function keyFigures({ rows }: RunRecord): Part {
  const evaluations = evaluationsOf(rows);
  const last = evaluations.at(-1);
  const untrained = evaluations.find((row) => row.epoch === 0);
  const steps = stepsOf(rows);
  const figures: [string, string][] = [];
  if (last)
    figures.push([
      percent(last.spaces.hyperbolic.at['1']),
      `Recall@1 on unseen classes ${momentOf(last)}, %`,
    ]);
  if (untrained && untrained !== last) {
    figures.push([percent(untrained.spaces.hyperbolic.at['1']), 'before training, %']);
  }
  if (last) figures.push([`${last.classes}`, `classes, ${counted(last.pictures, 'picture')}`]);
  if (steps.length > 0) {
    const rate = medianRate(steps).toFixed(0);
    figures.push([rate, `${rate === '1' ? 'picture' : 'pictures'} a second, in training`]);
  }
  return html`<ul class="figures">${figures.map(([value, name]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>`;
}

function medianRate(steps: readonly { imagesPerSecond: number }[]): number {
  return steps.map((row) => row.imagesPerSecond).sort((a, b) => a - b)[steps.length >> 1] ?? 0;
}

function noteOf(text: string | null): Part {
  return text === null ? null : html`<p class="note">${text}</p>`;
}

function recallSection(record: RunRecord): Part {
  const { config, rows, snapshot } = record;
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
  return html`<section><h2>Recall on unseen classes ${momentOf(last)}</h2>
<p>Share, in percent, of test pictures with a picture of their class among the k nearest others.${
    strict
      ? ' Same genus: the nearest picture of another class is of the same genus; same family: the nearest of another genus is of the same family.'
      : null
  }</p>
${recallTable([...lines, ...beside])}${noteOf(bestWords(record))}${noteOf(beyondWords(record))}${noteOf(tiedWords(config) ?? rankWords(snapshot?.ranks))}</section>`;
}

function curvesSection({ rows, snapshot }: RunRecord): Part {
  const steps = stepsOf(rows);
  const baselines = snapshot?.baselines ?? [];
  const charts = [
    recallChart(rows, baselines),
    lossChart(steps),
    spreadChart(rows),
    learntChart(steps),
  ].filter((chart) => chart !== null);
  return charts.length === 0
    ? null
    : html`<section><h2>Training</h2><div class="charts">${charts}</div></section>`;
}

function healthSection({ rows }: RunRecord): Part {
  const checks = healthRowsOf(rows);
  if (checks.length === 0) return null;
  return html`<section><h2>Numerical health</h2>
<p>Where the points of the last training batch stand in the ball, and whether anything is at the limit of its numbers.</p>
<div class="charts">${radiusFigure(checks.at(-1)!)}${gradientChart(stepsOf(rows))}</div></section>`;
}

/** Every option of the run. */
export function settings(config: RunConfig): Html {
  return html`<dl class="settings">${Object.entries(config).map(
    ([key, value]) => html`<div><dt>${key}</dt><dd>${value === null ? 'none' : String(value)}</dd></div>`,
  )}</dl>`;
}

/** Seconds in words that no line breaks apart: `48 s`, `2 min 41 s`, `1 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const minutes = Math.round(whole / 60);
  const words =
    whole < 60
      ? [whole, 's']
      : whole < 3600
        ? [Math.floor(whole / 60), 'min', whole % 60, 's']
        : [Math.floor(minutes / 60), 'h', minutes % 60, 'min'];
  return words.join('\u00a0');
}
