import { ksOf } from '../measure/recall.ts';
import { columnsOf, recallOfCell, type Study } from './results.ts';

/** Formats a study as CSV (RFC 4180): one row per run with its settings, recall as in {@link recallOfCell}, and duration. */
export function studyCsv({ plan, results }: Study): string {
  const columns = columnsOf(plan);
  const measured = ksOf(results.flatMap(({ spaces }) => spaces?.cosine ?? []));
  const ks = measured.length === 0 ? ['1'] : measured;
  const head = ['arm', ...columns, 'seed', ...ks.map((k) => `recall_at_${k}`), 'seconds', 'error'];
  const cells = new Map(plan.cells.map((cell) => [cell.id, cell]));
  const rows = results.flatMap((result) => {
    const { cell: id, seed, seconds, error } = result;
    const cell = cells.get(id);
    if (cell === undefined) return [];
    const recall = recallOfCell(cell, result)?.at;
    const settings = columns.map((key) => cell.config[key]);
    return [line([cell.arm, ...settings, seed, ...ks.map((k) => recall?.[k]), seconds, error])];
  });
  return [line(head), ...rows].join('');
}

function line(fields: readonly unknown[]): string {
  return `${fields.map(field).join(',')}\r\n`;
}

function field(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
