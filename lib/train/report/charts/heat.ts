import { type Html, html } from '../html.ts';
import { heatShare, inkOn } from '../run/contrast.ts';
import { percent } from '../tables.ts';

/** Returns a table of shares: the larger a value, the more accent color its cell has. `null` and NaN are shown as a dash. */
export function heatMap(
  title: string,
  columns: { name: string; values: readonly (string | number)[] },
  rows: readonly { name: string; values: readonly (number | null)[] }[],
): Html {
  const all = rows.flatMap(({ values }) => values.filter((value): value is number => Number.isFinite(value)));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const heat = (value: number): number => (high > low ? (value - low) / (high - low) : 0.5);
  return html`<div><h3>${title}</h3><div class="scroll"><table class="heatmap"><thead><tr><th scope="col">${columns.name}</th>${columns.values.map(
    (value) => html`<th scope="col">${value}</th>`,
  )}</tr></thead><tbody>${rows.map(
    ({ name, values }) =>
      html`<tr><th scope="row">${name}</th>${values.map((value) =>
        value === null || !Number.isFinite(value)
          ? html`<td class="heat" style="--heat:0">–</td>`
          : html`<td class="heat" style="${colored(heatShare(heat(value)))}">${percent(value)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></div>`;
}

/** Returns the style of a cell: the share of the accent color, and the text color for both color schemes. */
function colored(share: number): string {
  return `--heat:${share};--ink-light:${inkOn(share, 'light')};--ink-dark:${inkOn(share, 'dark')}`;
}
