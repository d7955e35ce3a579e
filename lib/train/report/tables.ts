import type { Evaluation, Recall, Space } from '../record.ts';
import { type Html, html, type Part } from './html.ts';

export const spaceNames: Readonly<Record<Space, string>> = {
  hyperbolic: 'Head, hyperbolic distance',
  cosine: 'Head, cosine',
  body: 'Backbone, cosine',
  fused: 'Head, fused score',
};

/** A line of a recall table; `lead` lines are the run's own, the others stand beside it. */
export interface RecallLine {
  name: string;
  recall: Recall;
  lead?: boolean;
}

/** The lines of one evaluation, one for each way to compare. */
export function evaluationLines(evaluation: Evaluation): RecallLine[] {
  return (Object.keys(spaceNames) as Space[]).flatMap((space) => {
    const recall = evaluation.spaces[space];
    return recall === undefined ? [] : [{ name: spaceNames[space], recall, lead: true }];
  });
}

const levels = ['same genus', 'same family'];

/** Recall@k of several lines; the columns of strict recall stand where any line has them. */
export function recallTable(lines: readonly RecallLine[]): Html {
  const ks = [...new Set(lines.flatMap((line) => Object.keys(line.recall.at)))];
  const depth = Math.max(0, ...lines.map((line) => line.recall.strict.length));
  const whole = lines.some((line) => line.recall.mapAtR !== undefined);
  const best = Math.max(...lines.map((line) => line.recall.at['1'] ?? 0), 1e-9);
  return html`<div class="scroll"><table class="recall"><thead><tr><th scope="col">Compared by</th>${ks.map(
    (k) => html`<th scope="col">R@${k}</th>`,
  )}${whole ? html`<th scope="col">R-Precision</th><th scope="col">MAP@R</th>` : null}${levels.slice(0, depth).map((level) => html`<th scope="col">${level}</th>`)}</tr></thead>
<tbody>${lines.map((line) => row(line, ks, { depth, best, whole }))}</tbody></table></div>`;
}

/** What all lines of a table have. */
interface Shape {
  /** Levels of strict recall. */
  depth: number;
  /** The highest Recall@1. */
  best: number;
  /** Whether there are R-Precision and MAP@R. */
  whole: boolean;
}

function row(line: RecallLine, ks: readonly string[], { depth, best, whole }: Shape): Html {
  const cells: Part[] = ks.map((k) => {
    const value = line.recall.at[k] ?? Number.NaN;
    if (k !== '1' || Number.isNaN(value)) return html`<td>${percent(value)}</td>`;
    return html`<td class="bar" style="--share:${(value / best).toFixed(3)}">${percent(value)}</td>`;
  });
  const { rPrecision, mapAtR } = line.recall;
  if (whole) cells.push(html`<td>${percent(rPrecision)}</td><td>${percent(mapAtR)}</td>`);
  const strict = Array.from({ length: depth }, (_, i) => html`<td>${percent(line.recall.strict[i])}</td>`);
  return html`<tr class="${line.lead ? 'lead' : 'aside'}"><th scope="row">${line.name}</th>${cells}${strict}</tr>`;
}

/** A share as a percentage with one decimal; a dash where there is none. */
export function percent(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : (100 * value).toFixed(1);
}
