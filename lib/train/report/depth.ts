import type { DepthRow } from '../record.ts';
import { html, type Part } from './html.ts';

/** How the levels of the class tree lie around the origin; nothing without a tree. */
export function depthTable(rows: readonly DepthRow[]): Part {
  if (rows.length === 0) return null;
  const farthest = Math.max(...rows.map(({ mean }) => mean), 1e-9);
  const digits = (value: number): string => value.toFixed(2);
  return html`<h3>The class tree in the ball</h3>
<p class="note">Distance from the origin of the midpoint of each group: the larger a group and the farther apart its members, the
nearer its midpoint is to the origin, as the root of a tree is.</p>
<div class="scroll"><table><thead><tr><th scope="col">Midpoints of each</th><th scope="col">number</th><th scope="col">mean distance</th><th scope="col">from</th><th scope="col">to</th></tr></thead><tbody>${rows.map(
    ({ level, groups, mean, min, max }) =>
      html`<tr><th scope="row">${level}</th><td>${groups}</td><td class="bar" style="--share:${(mean / farthest).toFixed(3)}">${digits(mean)}</td><td>${digits(min)}</td><td>${digits(max)}</td></tr>`,
  )}</tbody></table></div>`;
}
