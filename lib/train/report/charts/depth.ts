import type { DepthRow } from '../../measure/types.ts';
import { html, type Part } from '../html.ts';
import { barShare, fixed, orZero } from '../tables.ts';

/** Returns a table of distances from the origin, one row per level of the class tree; empty without a tree. */
export function depthTable(rows: readonly DepthRow[]): Part {
  if (rows.length === 0) return null;
  const farthest = Math.max(...rows.map(({ mean }) => orZero(mean)), 1e-9);
  const digits = (value: number): string => fixed(value, 2);
  return html`<h3>The class tree in the ball</h3>
<p class="note">Distance of each group's midpoint from the origin. Midpoints of groups whose members are spread out tend to be
closer to the origin, like the root of a tree.</p>
<div class="scroll"><table><thead><tr><th scope="col">Level</th><th scope="col">groups</th><th scope="col">mean distance</th><th scope="col">min</th><th scope="col">max</th></tr></thead><tbody>${rows.map(
    ({ level, groups, mean, min, max }) =>
      html`<tr><th scope="row">${level === 'picture' ? 'image' : level}</th><td>${groups}</td><td class="bar" style="--share:${barShare(mean, farthest)}">${digits(mean)}</td><td>${digits(min)}</td><td>${digits(max)}</td></tr>`,
  )}</tbody></table></div>`;
}
