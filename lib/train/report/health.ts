import type { HealthRow } from '../record.ts';
import { counted } from './extent.ts';
import { type Html, html } from './html.ts';

const [width, height] = [460, 200];
const margin = { left: 14, right: 14, top: 10, bottom: 34 };

/** A batch's points by their distance from the middle of the ball, 1 being its rim, and what is at its limit. */
export function radiusFigure(row: HealthRow): Html {
  const { histogram, min, max } = row.radius;
  const most = Math.max(1, ...histogram);
  const step = (width - margin.left - margin.right) / histogram.length;
  const base = height - margin.bottom;
  const bars = histogram.map((count, bin) => {
    const tall = ((base - margin.top) * count) / most;
    const x = margin.left + bin * step;
    return html`<rect class="column" x="${(x + 1).toFixed(1)}" y="${(base - tall).toFixed(1)}" width="${(step - 2).toFixed(1)}" height="${tall.toFixed(1)}"/>`;
  });
  const labels = [0, 0.25, 0.5, 0.75, 1].map((value) => {
    const x = margin.left + value * (width - margin.left - margin.right);
    const anchor = value === 0 ? 'start' : value === 1 ? 'end' : 'middle';
    return html`<text class="tick" x="${x}" y="${base + 15}" text-anchor="${anchor}">${value === 1 ? 'rim' : value}</text>`;
  });
  const title = `Radius of the points, epoch ${row.epoch}`;
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">${bars}<path class="axis" d="M${margin.left} ${base}H${width - margin.right}"/>${labels}</svg>
<p class="note">${healthWords(row)} Radii from ${min.toFixed(3)} to ${max.toFixed(3)} of the ball's.</p></figure>`;
}

function healthWords({ atRim, saturated, scale, skippedSteps }: HealthRow): string {
  const share = (value: number): string => `${Number((100 * value).toPrecision(3))} %`;
  const limits = [
    atRim > 0 ? `${share(atRim)} of the points are held at the rim.` : 'No point is held at the rim.',
    saturated > 0
      ? `${share(saturated)} of the distances are so large that the published formula would cut them off.`
      : 'No distance is saturated.',
  ];
  if (scale !== null) limits.push(`Loss scale ${scale}; ${counted(skippedSteps, 'step')} left out so far.`);
  return limits.join(' ');
}
