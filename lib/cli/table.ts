import { printable } from '../errors.ts';
import { largest } from '../integers.ts';
import { ksOf } from '../train/measure/recall.ts';
import type { Recall } from '../train/measure/types.ts';
import { strictColumns, strictMeanings } from '../train/report/tables.ts';

/**
 * Returns the rows of cells as aligned text: the first column left-aligned, the others right-aligned. Control characters
 * are escaped, and line breaks become spaces.
 */
export function textTable(given: readonly (readonly string[])[]): string {
  const rows = given.map((row) => row.map((cell) => printable(cell.replace(/[\n\t]/g, ' '))));
  const widths = rows[0]!.map((_, column) =>
    largest(
      rows.map((row) => row[column]?.length ?? 0),
      0,
    ),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map(line).join('\n');
}

/** Wraps text at 80 columns; lines after the first are indented by `indent`. */
export function folded(text: string, indent = 0): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 80) {
      lines.push(line);
      line = ' '.repeat(indent) + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

/**
 * Formats the recall in each space as a table, in percent, followed by an explanation of the columns of strict recall.
 * @param levels - names of the class tree's levels above the classes, lowest first
 */
export function recallText(
  lines: readonly { name: string; recall: Recall }[],
  levels: readonly string[] = [],
): string {
  const ks = ksOf(lines.map(({ recall }) => recall));
  const depth = largest(
    lines.map(({ recall }) => recall.strict.length),
    0,
  );
  const whole = lines.some(({ recall }) => recall.mapAtR !== undefined);
  const rest = [...(whole ? ['R-Precision', 'MAP@R'] : []), ...strictColumns(depth, levels)];
  const head = ['Values in %', ...ks.map((k) => `Recall@${k}`), ...rest];
  const percent = (value: number | undefined): string =>
    value === undefined || Number.isNaN(value) ? '-' : (100 * value).toFixed(1);
  const rows = lines.map(({ name, recall }) => [
    name,
    ...ks.map((k) => percent(recall.at[k])),
    ...(whole ? [percent(recall.rPrecision), percent(recall.mapAtR)] : []),
    ...Array.from({ length: depth }, (_, i) => percent(recall.strict[i])),
  ]);
  const notes = strictMeanings(depth, levels).map((text) => folded(text, 2));
  return [textTable([head, ...rows]), ...notes].join('\n');
}
