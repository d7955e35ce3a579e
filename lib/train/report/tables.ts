import { largest } from '../../integers.ts';
import { ksOf } from '../measure/recall.ts';
import type { Evaluation, Recall, Space } from '../measure/types.ts';
import { type Html, html, type Part } from './html.ts';

export const spaceNames: Readonly<Record<Space, string>> = {
  hyperbolic: 'Head, hyperbolic distance',
  cosine: 'Head, cosine',
  body: 'Backbone, cosine',
  fused: 'Head, hybrid logit',
};

/** A row of a recall table. `lead` rows are emphasized, such as those of a run among baselines. */
export interface RecallLine {
  name: string;
  recall: Recall;
  lead?: boolean;
}

/** Returns the rows of an evaluation, one per space. */
export function evaluationLines(evaluation: Evaluation): RecallLine[] {
  return (Object.keys(spaceNames) as Space[]).flatMap((space) => {
    const recall = evaluation.spaces[space];
    return recall === undefined ? [] : [{ name: spaceNames[space], recall, lead: true }];
  });
}

/** Returns a name for an unnamed level of the class tree; level 0 has the parents of the classes. */
export function levelUp(level: number): string {
  return `${level + 1} level${level === 0 ? '' : 's'} up`;
}

/** Returns the names of the columns of strict recall. */
export function strictColumns(depth: number, levels: readonly string[] = []): string[] {
  return Array.from({ length: depth }, (_, i) =>
    levels[i] === undefined ? levelUp(i) : `same ${levels[i]}`,
  );
}

/** Returns an explanation of each column of strict recall. */
export function strictMeanings(depth: number, levels: readonly string[] = []): string[] {
  return strictColumns(depth, levels).map((column, i) => {
    const [below, name] = [i === 0 ? 'class' : levels[i - 1], levels[i]];
    if (below !== undefined && name !== undefined)
      return `${column}: the nearest image of another ${below} is of the same ${name}`;
    const others =
      i === 0
        ? 'the nearest image of another class'
        : `of the images with a different ancestor ${levelUp(i - 1)}, the nearest one`;
    return `${column}: ${others} shares the query's ancestor ${levelUp(i)} in the class tree`;
  });
}

/**
 * Renders a table of Recall@k, with columns of strict recall if any row has them.
 * @param levels - names of the class tree's levels, nearest first
 */
export function recallTable(lines: readonly RecallLine[], levels: readonly string[] = []): Html {
  const ks = ksOf(lines.map(({ recall }) => recall));
  const depth = largest(
    lines.map((line) => line.recall.strict.length),
    0,
  );
  const whole = lines.some((line) => line.recall.mapAtR !== undefined);
  const best = largest(
    lines.map((line) => orZero(line.recall.at['1'])),
    1e-9,
  );
  return html`<div class="scroll"><table class="recall"><thead><tr><th scope="col">Space</th>${ks.map(
    (k) => html`<th scope="col">Recall@${k}</th>`,
  )}${whole ? html`<th scope="col">R-Precision</th><th scope="col">MAP@R</th>` : null}${strictColumns(depth, levels).map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${lines.map((line) => row(line, ks, { depth, best, whole }))}</tbody></table></div>`;
}

/** Properties shared by all rows of a table. */
interface Shape {
  /** Number of levels of strict recall. */
  depth: number;
  /** The highest Recall@1. */
  best: number;
  /** Whether to show R-Precision and MAP@R. */
  whole: boolean;
}

function row(line: RecallLine, ks: readonly string[], { depth, best, whole }: Shape): Html {
  const cells: Part[] = ks.map((k) => {
    const value = line.recall.at[k] ?? Number.NaN;
    if (k !== '1' || Number.isNaN(value)) return html`<td>${percent(value)}</td>`;
    return html`<td class="bar" style="--share:${barShare(value, best)}">${percent(value)}</td>`;
  });
  const { rPrecision, mapAtR } = line.recall;
  if (whole) cells.push(html`<td>${percent(rPrecision)}</td><td>${percent(mapAtR)}</td>`);
  const strict = Array.from({ length: depth }, (_, i) => html`<td>${percent(line.recall.strict[i])}</td>`);
  return html`<tr class="${line.lead ? 'lead' : 'aside'}"><th scope="row">${line.name}</th>${cells}${strict}</tr>`;
}

/** Formats a share as a percentage with one decimal; a dash if it was not measured. */
export function percent(value: number | undefined): string {
  return fixed(value === undefined ? value : 100 * value, 1);
}

/** Formats a number with a fixed number of decimals; a dash if it was not measured. */
export function fixed(value: number | undefined, decimals: number): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return Math.abs(value) < 1e15 ? value.toFixed(decimals) : value.toPrecision(4);
}

/** Returns a number for comparisons: a share that was not measured counts as 0. */
export function orZero(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? 0 : value;
}

/** Returns `value / highest` as a CSS number from 0 to 1. */
export function barShare(value: number, highest: number): string {
  return fixed(Math.min(1, Math.max(0, orZero(value / highest))), 3);
}
