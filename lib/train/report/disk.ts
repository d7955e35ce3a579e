import type { Snapshot } from '../record.ts';
import { classColours, familyColours } from './colour.ts';
import { embeddedJson, type Html, html, type Part } from './html.ts';
import { lineage } from './names.ts';

/** The rim of the disk in drawing units. */
const rim = 300;
/** Between two distances written over the points: one and a half lines of the largest type that a disk has (style.ts). */
const apart = 36;
/** Above so many entries a legend says nothing any more. */
const legendMost = 16;

/**
 * The test embeddings on the Poincaré disk, with circles at equal steps of distance from the origin. Where all
 * points lie near the origin they are seen through a lens, and a small disk shows how much of it that is.
 */
export function diskFigure(snapshot: Snapshot, title: string | null = null): Html {
  const { points, labels, c, explained } = snapshot.disk;
  const colours = classColours(snapshot);
  const names = snapshot.classes.map((_, label) => lineage(snapshot, label));
  const zoom = magnification(points);
  const dots = labels.map((label, i) => {
    const [x, y] = [zoom * rim * points[2 * i]!, -zoom * rim * points[2 * i + 1]!];
    return html`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.4" data-class="${label}" fill="${colours[label]!}"/>`;
  });
  const variance = Math.round(100 * (explained[0] + explained[1]));
  const size = `${labels.length} pictures of ${new Set(labels).size} classes after epoch ${snapshot.epoch}`;
  const lens = zoom === 1 ? '' : `, the middle of the disk magnified ${zoom.toFixed(1)} times`;
  const { circles, distances } = rings(c, zoom);
  return html`<figure class="disk">${title === null ? null : html`<h3>${title}</h3>`}
<svg viewBox="-306 -306 612 612" role="img" aria-label="Test embeddings on the Poincaré disk">
<circle class="${zoom === 1 ? 'rim' : 'lens'}" r="${rim}"/>
${circles}
<g class="points">${dots}</g>${distances}${zoom === 1 ? null : inset(zoom)}</svg>
<figcaption>${size}${lens}. The two directions hold ${variance}% of the variance.
Circles: distance from the origin, c = ${c}.</figcaption>
${legend(snapshot)}<script type="application/json">${embeddedJson(names)}</script></figure>`;
}

/** How many times larger than the whole disk the drawing can be with every point inside; 1 where it reaches out. */
function magnification(points: readonly number[]): number {
  let farthest = 0;
  for (let i = 0; i < points.length; i += 2) {
    farthest = Math.max(farthest, Math.hypot(points[i]!, points[i + 1]!));
  }
  return farthest > 0.75 || farthest === 0 ? 1 : 0.94 / farthest;
}

/**
 * A circle at distance d from the origin has Euclidean radius tanh(sqrt c d / 2) in the unit disk. The distances are
 * written over the points where there is room, the circles drawn under them.
 */
function rings(c: number, zoom: number): { circles: Part; distances: Part } {
  const radiusAt = (distance: number): number => zoom * Math.tanh((Math.sqrt(c) * distance) / 2);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((one) => radiusAt(one) > 0.2) ?? 20;
  const [circles, distances]: [Html[], Html[]] = [[], []];
  let written = 0;
  for (let k = 1; radiusAt(k * step) < 0.97; k++) {
    const exact = rim * radiusAt(k * step);
    const radius = exact.toFixed(1);
    circles.push(html`<circle class="ring" r="${radius}"/>`);
    if (exact - written < apart) continue;
    written = exact;
    distances.push(
      html`<text class="ringed" x="0" y="-${radius}" dy="-0.3em" text-anchor="middle">${Number((step * k).toPrecision(3))}</text>`,
    );
  }
  return { circles, distances };
}

/** The whole disk, small, with the part that the lens shows. */
function inset(zoom: number): Html {
  return html`<g transform="translate(256 -256)"><circle class="rim" r="44"/><circle class="seen" r="${(44 / zoom).toFixed(1)}"/></g>`;
}

function legend(snapshot: Snapshot): Part {
  const families = familyColours(snapshot);
  if (families.size > legendMost) return null;
  return html`<ul class="legend">${[...families].map(
    ([name, colour]) => html`<li data-family="${name}"><i style="background:${colour}"></i>${name}</li>`,
  )}</ul>`;
}
