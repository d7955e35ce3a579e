import { heatShare, inkOn } from './contrast.ts';
import { type Html, html } from './html.ts';
import { percent } from './tables.ts';

/** A table of shares, darker where they are larger; `null` where there is none. */
export function heatMap(
  title: string,
  columns: { name: string; values: readonly (string | number)[] },
  rows: readonly { name: string; values: readonly (number | null)[] }[],
): Html {
  const all = rows.flatMap(({ values }) => values.filter((value) => value !== null));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const heat = (value: number): number => (high > low ? (value - low) / (high - low) : 0.5);
  return html`<div><h3>${title}</h3><div class="scroll"><table class="heatmap"><thead><tr><th scope="col">${columns.name}</th>${columns.values.map(
    (value) => html`<th scope="col">${value}</th>`,
  )}</tr></thead><tbody>${rows.map(
    ({ name, values }) =>
      html`<tr><th scope="row">${name}</th>${values.map((value) =>
        value === null
          ? html`<td class="heat" style="--heat:0">–</td>`
          : html`<td class="heat" style="${coloured(heatShare(heat(value)))}">${percent(value)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></div>`;
}

/** The share of the accent, and the ink on it in both schemes. */
function coloured(share: number): string {
  return `--heat:${share};--ink-light:${inkOn(share, 'light')};--ink-dark:${inkOn(share, 'dark')}`;
}
