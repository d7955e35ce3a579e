import { geometryTerms } from '../../../card-names.ts';
import type { RunConfig } from '../../options/options.ts';
import { evaluationsOf, healthRowsOf, type RunRecord, stepsOf } from '../../run/record.ts';
import { invalidWords } from '../../run/warnings.ts';
import { gradientChart, learnableChart, lossChart, recallChart, spreadChart } from '../charts/curves.ts';
import { depthTable } from '../charts/depth.ts';
import { diskFigure } from '../charts/disk.ts';
import { galleryFigure } from '../charts/gallery.ts';
import { hierarchyTable } from '../charts/hierarchy.ts';
import { stripFigure } from '../charts/strip.ts';
import { type Html, html, type Part } from '../html.ts';
import { script } from '../script.ts';
import { style } from '../style.ts';
import { evaluationLines, fixed, levelUp, percent, type RecallLine, recallTable } from '../tables.ts';
import { bestWords, beyondWords, counted, momentOf, stepWords, unevaluatedWords } from './extent.ts';
import { curvatureWords, rankWords, tiedWords } from './head-words.ts';
import { radiusFigure } from './health.ts';
import { negativesSection } from './negatives.ts';

/** Renders a run as a self-contained page. */
export function runPage(record: RunRecord): string {
  const { config, snapshot } = record;
  return page(
    `${record.name} · horoball`,
    html`<header><p class="brand">horoball</p><h1>${record.name}</h1>
<p class="lede">${lede(record)}</p>${noteOf(unevaluatedWords(record))}${noteOf(invalidWords(record))}${keyFigures(record)}</header>
${recallSection(record)}
${curvesSection(record)}
${
  snapshot === null
    ? null
    : html`<section><h2>The Poincaré disk</h2>
<p>Test images, of classes never seen in training: their tangent vectors at the origin along the two directions of
largest variance, mapped back to the ball. Hover over a point to see its class.</p>${diskFigure(snapshot)}${depthTable(snapshot.depth ?? [])}${hierarchyTable(snapshot.hierarchy)}</section>
<section><h2>Nearest neighbors</h2>
<p>Sample test images, each with its nearest neighbors by hyperbolic distance. Green: same class; red: different class.</p>
${galleryFigure(snapshot)}</section>`
}
${snapshot?.negatives ? negativesSection(snapshot.negatives, curvatureWords(config), stripFigure(snapshot)) : null}
${healthSection(record)}
<section><h2>Settings</h2>${settings(config)}</section>`,
  );
}

/** The script of a page, as it appears in the script element. @param more - an additional script */
export function scriptText(more: string): string {
  return `${script}${more}`;
}

/** A complete page around its content. `more`: an additional script that runs after the page's own. */
export function page(
  title: string,
  body: Html,
  {
    more = '',
    footer = 'This page is a single file and loads no other resources.',
  }: { more?: string; footer?: string } = {},
): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html`${title}`}</title><style>${style}</style></head>
<body>
${body}
<footer>${html`Made by horoball. ${footer}`}</footer>
<script type="module">${scriptText(more)}</script>
</body></html>
`;
}

function lede(record: RunRecord): Part {
  const { config, rows } = record;
  const took = rows.findLast(({ seconds }) => Number.isFinite(seconds))?.seconds;
  return [
    config.shuffle_labels ? 'Control run with shuffled labels. ' : '',
    `${config.geometry} loss, ${config.model} on ${config.ds}, ${stepWords(record)} with batch size ${config.bs}`,
    geometryTerms[config.geometry].distance ? `, c\u00a0=\u00a0${config.hyp_c}` : '',
    took === undefined || Number.isNaN(took) ? '' : `, ${duration(took)}`,
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
  if (last) figures.push([`${last.classes}`, `classes, ${counted(last.pictures, 'image')}`]);
  if (steps.length > 0) {
    const rate = fixed(medianRate(steps), 0);
    figures.push([rate, `images/s in training`]);
  }
  return html`<ul class="figures">${figures.map(([value, name]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>`;
}

function medianRate(steps: readonly { imagesPerSecond: number }[]): number {
  const rates = steps.map((row) => row.imagesPerSecond).filter(Number.isFinite);
  return rates.sort((a, b) => a - b)[rates.length >> 1] ?? Number.NaN;
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
  const strict = last.spaces.body.strict.length;
  return html`<section><h2>Recall on unseen classes ${momentOf(last)}</h2>
<p>Percentage of test images with an image of the same class among their k nearest neighbors.${
    strict > 0 ? strictWords(strict, snapshot?.levels) : null
  }</p>
${recallTable([...lines, ...beside], snapshot?.levels)}${noteOf(bestWords(record))}${noteOf(beyondWords(record))}${noteOf(tiedWords(config) ?? rankWords(snapshot?.ranks))}</section>`;
}

/** Explains the columns of strict recall. */
function strictWords(depth: number, levels: readonly string[] = []): string {
  const said = Array.from({ length: depth }, (_, i) => {
    const [below, name] = [i === 0 ? 'class' : levels[i - 1], levels[i]];
    if (below !== undefined && name !== undefined)
      return `same ${name}: the nearest image of another ${below} is of the same ${name}`;
    const other = i === 0 ? 'another class' : `another group ${levelUp(i - 1)}`;
    return `${levelUp(i)}: the nearest image of ${other} is in the same group at that level of the class tree`;
  });
  return ` Columns at the right: ${said.join('; ')}.`;
}

function curvesSection({ rows, snapshot }: RunRecord): Part {
  const steps = stepsOf(rows);
  const baselines = snapshot?.baselines ?? [];
  const charts = [
    recallChart(rows, baselines),
    lossChart(steps),
    spreadChart(rows),
    learnableChart(steps),
  ].filter((chart) => chart !== null);
  return charts.length === 0
    ? null
    : html`<section><h2>Training</h2>${zoomHint}<div class="charts">${charts}</div></section>`;
}

/** Above the charts of a run. */
export const zoomHint: Html = html`<p class="note">Drag across a chart to zoom in, double-click to zoom out.</p>`;

function healthSection({ rows }: RunRecord): Part {
  const checks = healthRowsOf(rows);
  if (checks.length === 0) return null;
  return html`<section><h2>Numerical health</h2>
<p>Position of the last training batch in the ball, and values at their numerical limits.</p>
<div class="charts">${radiusFigure(checks.at(-1)!)}${gradientChart(stepsOf(rows))}</div></section>`;
}

/** Every option of the run. */
export function settings(config: RunConfig): Html {
  return html`<dl class="settings">${Object.entries(config).map(
    ([key, value]) => html`<div><dt>${key}</dt><dd>${value === null ? 'none' : String(value)}</dd></div>`,
  )}</dl>`;
}

/** A duration without line breaks: `48 s`, `2 min 41 s`, `1 h 5 min`. */
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
