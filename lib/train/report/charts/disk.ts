import type { Snapshot } from '../../measure/types.ts';
import { embeddedJson, type Html, html, type Part } from '../html.ts';
import { lineage } from '../run/names.ts';
import { fixed } from '../tables.ts';
import { classColors, familyColors } from './color.ts';

/** Radius of the disk in drawing units. */
const rim = 300;
/** Minimum gap between two distance labels: 1.5 lines at the largest font size of the disk (style.ts). */
const minGap = 36;
/** Maximum number of legend entries; a longer legend is omitted. */
const legendMost = 16;

/**
 * Draws the test embeddings on the Poincaré disk, with circles at equal steps of distance from the origin. If all points
 * are close to the origin, the center is magnified, and a small inset shows the magnified part.
 */
export function diskFigure(snapshot: Snapshot, title: string | null = null): Html {
  const { points, labels, c, explained } = snapshot.disk;
  const colorOf = classColors(snapshot);
  const shown = [...new Set(labels)]; // only the classes that are drawn, because there can be thousands
  const names = Object.fromEntries(shown.map((label) => [label, lineage(snapshot, label)]));
  const zoom = magnification(points);
  const dots = labels.map((label, i) => {
    const [x, y] = [zoom * rim * points[2 * i]!, -zoom * rim * points[2 * i + 1]!];
    return html`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.4" data-class="${label}" fill="${colorOf(label)}"/>`;
  });
  const size = `${labels.length} images of ${shown.length} classes after epoch ${snapshot.epoch}`;
  const lens = zoom === 1 ? '' : `, the center of the disk magnified ${threeDigits(zoom)} times`;
  const { circles, distances } = rings(c, zoom);
  return html`<figure class="disk">${title === null ? null : html`<h3>${title}</h3>`}
<svg viewBox="-306 -306 612 612" role="img" aria-label="Test embeddings on the Poincaré disk">
<circle class="${zoom === 1 ? 'rim' : 'lens'}" r="${rim}"/>
${circles}
<g class="points">${dots}</g>${distances}${zoom === 1 ? null : inset(zoom)}</svg>
<figcaption>${size}${lens}. The two directions of the plot explain ${fixed(100 * (explained[0] + explained[1]), 0)}% of the variance.
Circles: distance from the origin, c = ${c}.</figcaption>
${legend(snapshot)}<script type="application/json">${embeddedJson(names)}</script></figure>`;
}

/** Maximum magnification; beyond it, only rounding errors of the points would be visible. */
const maxMagnified = 1e12;

/** Returns the largest magnification that keeps every point inside the drawing; 1 if the points fill the disk. */
function magnification(points: readonly number[]): number {
  let farthest = 0;
  for (let i = 0; i < points.length; i += 2) {
    farthest = Math.max(farthest, Math.hypot(points[i]!, points[i + 1]!));
  }
  return farthest > 0.75 || farthest === 0 ? 1 : Math.min(maxMagnified, 0.94 / farthest);
}

/**
 * Returns circles, to be drawn under the points, and their distance labels, to be drawn over them; labels that do not
 * fit are omitted. A circle at distance d from the origin has Euclidean radius tanh(sqrt(c) d / 2) in the unit disk.
 */
function rings(c: number, zoom: number): { circles: Part; distances: Part } {
  const radiusAt = (distance: number): number => zoom * Math.tanh((Math.sqrt(c) * distance) / 2);
  const step = roundAbove((2 * Math.atanh(0.2 / zoom)) / Math.sqrt(c));
  const [circles, distances]: [Html[], Html[]] = [[], []];
  let written = 0;
  for (let k = 1; radiusAt(k * step) < 0.97; k++) {
    const exact = rim * radiusAt(k * step);
    const radius = exact.toFixed(1);
    circles.push(html`<circle class="ring" r="${radius}"/>`);
    if (exact - written < minGap) continue;
    written = exact;
    distances.push(
      html`<text class="ringed" x="0" y="-${radius}" dy="-0.3em" text-anchor="middle">${threeDigits(step * k)}</text>`,
    );
  }
  return { circles, distances };
}

/** Rounds up to 1, 2 or 5 times a power of ten, so that the first circle has at least a fifth of the disk's radius. */
function roundAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return Number(
    ([1, 2, 5].map((factor) => factor * power).find((one) => one >= value) ?? 10 * power).toPrecision(1),
  );
}

/** Formats a number with at most three significant digits: `0.5`, `12`, `5e+8`. */
function threeDigits(value: number): string {
  const short = Number(value.toPrecision(3));
  return short >= 1e6 || short < 1e-4 ? short.toExponential() : String(short);
}

/** Returns a small inset of the whole disk that marks the magnified part. */
function inset(zoom: number): Html {
  return html`<g transform="translate(256 -256)"><circle class="rim" r="44"/><circle class="seen" r="${(44 / zoom).toFixed(1)}"/></g>`;
}

function legend(snapshot: Snapshot): Part {
  const families = familyColors(snapshot, legendMost);
  if (families === null) return null;
  return html`<ul class="legend">${[...families].map(
    ([name, color]) => html`<li data-family="${name}"><i style="background:${color}"></i>${name}</li>`,
  )}</ul>`;
}
