import type { HealthRow } from '../../run/record.ts';
import { type Html, html } from '../html.ts';
import { fixed } from '../tables.ts';
import { counted } from './extent.ts';

const [width, height] = [460, 200];
const margin = { left: 14, right: 14, top: 10, bottom: 34 };

/**
 * Draws a histogram of a batch's radii relative to the radius of the ball, and states the fractions of points and
 * distances at numerical limits.
 */
export function radiusFigure(row: HealthRow): Html {
  const { histogram, min, max } = row.radius;
  const most = histogram.reduce((a, b) => Math.max(a, b), 1);
  const step = (width - margin.left - margin.right) / histogram.length;
  const base = height - margin.bottom;
  const bars = histogram.map((count, bin) => {
    const tall = ((base - margin.top) * count) / most;
    const x = margin.left + bin * step;
    return html`<rect class="column" x="${(x + 1).toFixed(1)}" y="${(base - tall).toFixed(1)}" width="${Math.max(0.5, step - 2).toFixed(1)}" height="${tall.toFixed(1)}"/>`;
  });
  const labels = [0, 0.25, 0.5, 0.75, 1].map((value) => {
    const x = margin.left + value * (width - margin.left - margin.right);
    const anchor = value === 0 ? 'start' : value === 1 ? 'end' : 'middle';
    return html`<text class="tick" x="${x}" y="${base + 15}" text-anchor="${anchor}">${value === 1 ? 'boundary' : value}</text>`;
  });
  const title = `Radius of the points, epoch ${row.epoch}`;
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">${bars}<path class="axis" d="M${margin.left} ${base}H${width - margin.right}"/>${labels}</svg>
<p class="note">${healthNote(row)} ${Number.isFinite(min) ? `Radii from ${fixed(min, 3)} to ${fixed(max, 3)} times that of the ball.` : 'Radii: not measured.'}</p></figure>`;
}

const cap = 'at or above 12.206 / sqrt(c), at which the published code of HypMix caps distances';

function healthNote({ atRim, saturated, scale, skippedSteps }: HealthRow): string {
  const share = (value: number): string => `${Number((100 * value).toPrecision(3))}%`;
  const limits = [];
  if (atRim > 0) limits.push(`${share(atRim)} of the points are at the boundary of the ball.`);
  else
    limits.push(
      Number.isNaN(atRim) ? 'Points at the boundary: not measured.' : 'No points are at the boundary.',
    );
  if (saturated > 0) limits.push(`${share(saturated)} of the distances are ${cap}.`);
  else limits.push(Number.isNaN(saturated) ? 'Distances: not measured.' : `No distances are ${cap}.`);
  if (scale !== null) limits.push(`Loss scale ${scale}; ${counted(skippedSteps, 'step')} skipped so far.`);
  return limits.join(' ');
}
