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
          : html`<td class="heat${heat(value) > 0.6 ? ' strong' : ''}" style="--heat:${(0.05 + 0.9 * heat(value)).toFixed(2)}">${percent(value)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></div>`;
}
