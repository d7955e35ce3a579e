import { type Html, html } from '../html.ts';
import { ticks } from './chart.ts';

/** A difference with its confidence interval; significant differences are colored. */
export interface ForestRow {
  name: string;
  mean: number;
  low: number;
  high: number;
  significant: boolean;
}

const width = 460;
const left = 178;
const right = width - 14;
const rowHeight = 30;

/** Draws a forest plot of differences in percentage points, with confidence intervals and a zero line. */
export function forestPlot(title: string, rows: readonly ForestRow[]): Html {
  const ends = rows.flatMap(({ mean, low, high }) => [mean, low, high]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const margin = 0.06 * (high - low || 1);
  const at = (value: number): string =>
    (left + ((value - low + margin) / (high - low + 2 * margin)) * (right - left)).toFixed(1);
  const base = rows.length * rowHeight + 12;
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${base + 34}" role="img" aria-label="${title}">
${ticks([low, high]).map(
  (value) =>
    html`<path class="grid" d="M${at(value)} 4V${base}"/><text class="tick" x="${at(value)}" y="${base + 15}" text-anchor="middle">${Number((100 * value).toPrecision(3))}</text>`,
)}
<path class="zero" d="M${at(0)} 4V${base}"/>
${rows.map((row, i) => forestRow(row, 4 + (i + 0.5) * rowHeight, at))}
<text class="label" x="${right}" y="${base + 31}" text-anchor="end">percentage points of Recall@1</text></svg></figure>`;
}

function forestRow(
  { name, mean, low, high, significant }: ForestRow,
  y: number,
  at: (value: number) => string,
): Html {
  if (!Number.isFinite(mean))
    return html`<text class="row" x="0" y="${y}" dy="0.35em">${name} (not measured)</text>`;
  const color = significant ? 'var(--accent)' : 'var(--soft)';
  const interval =
    Number.isFinite(low) && Number.isFinite(high)
      ? html`<path class="line" stroke="${color}" d="M${at(low)} ${y}H${at(high)}"/>`
      : null;
  return html`<text class="row" x="0" y="${y}" dy="0.35em">${name}</text>${interval}<circle cx="${at(mean)}" cy="${y}" r="4.5" fill="${color}"/>`;
}
