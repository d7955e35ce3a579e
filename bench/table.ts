import { type Bar, peakOf, type Results, type Row } from './results.ts';

const heads = [
  'op',
  'side',
  'what',
  'pass',
  'type',
  'ms',
  '±%',
  'GFLOP/s',
  'sgemm',
  'peak',
  'MB',
  'relative to',
  '×',
  '±%',
  'target',
];
const words = 5;

/** Formats the results as a table for terminals, with one block per suite and the verdicts on targets. */
export function table(results: Results): string {
  const { rows } = results;
  const peak = peakOf(results);
  const blocks = new Map<string, Row[]>();
  for (const row of rows) {
    blocks.set(row.suite, [...(blocks.get(row.suite) ?? []), row]);
  }
  return [...blocks].map(([name, group]) => block(name, group, peak)).join('\n') + summary(rows);
}

function block(name: string, rows: readonly Row[], peak: number): string {
  const lines = [heads, ...rows.map((row) => cells(row, peak))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => [...line[column]!].length)));
  const text = lines.map((line) =>
    line
      .map((cell, i) =>
        i < words || i === heads.indexOf('relative to') || i === heads.indexOf('target')
          ? cell.padEnd(widths[i]!)
          : cell.padStart(widths[i]!),
      )
      .join('  ')
      .trimEnd(),
  );
  const missing = rows.filter(({ status }) => status !== 'measured');
  const reasons = missing.map((row) => `  ${row.side} (${row.geometry}): ${row.status}`);
  return [`\n${name}  (${size(rows[0]!)})`, ...text, ...reasons].join('\n');
}

function size({ n, m, dim, views, threads }: Row): string {
  return [`${n} x ${m} x ${dim}`, views > 0 ? `${views} views` : '', `${threads} threads`]
    .filter(Boolean)
    .join(', ');
}

/** Describes a row: its geometry, heads and guards, and anything special about the inputs. */
export function what(row: Row): string {
  const guards = row.guards === 'compat' ? 'compat' : '';
  return [row.geometry, row.heads, guards, row.shape.split(', ')[1]].filter(Boolean).join(' ');
}

function cells(row: Row, peak: number): string[] {
  const hasValue = !Number.isNaN(row.value);
  return [
    row.op,
    row.side,
    what(row),
    row.pass,
    row.type,
    row.status === 'measured' ? number(row.ms) : '-',
    percent(row.spread),
    number(row.gflops),
    percent(row.share),
    // The peak rate is measured in float32.
    row.type === 'float32' ? percent(row.gflops / peak) : '',
    number(row.peakMB),
    hasValue ? `${number(row.value)} ${row.unit}` : row.against,
    number(row.ratio),
    percent(row.ratioSpread),
    row.bar === '' ? '' : `${row.bar} ${row.verdict.toUpperCase()}`,
  ];
}

/** Formats a number with three significant digits, or as an integer from 1000 on; NaN as an empty string. */
export function number(value: number): string {
  if (Number.isNaN(value)) return '';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value === 0 ? '0' : String(Number(value.toPrecision(3)));
}

function percent(value: number): string {
  return Number.isNaN(value) ? '' : (100 * value).toFixed(0);
}

function summary(rows: readonly Row[]): string {
  const barred = rows.filter(({ bar }) => bar !== '');
  const count = (verdict: Row['verdict']) => barred.filter((row) => row.verdict === verdict).length;
  const failed = barred.filter(({ verdict }) => verdict === 'fail').map((row) => `  FAIL ${sentence(row)}`);
  const line = `\n\nTargets: ${count('pass')} pass, ${count('within noise')} within noise, ${count('fail')} fail, ${count('open')} open (a side was not measured)`;
  return [line, ...failed, ''].join('\n');
}

function sentence(row: Row): string {
  const found = row[row.bar.split(' ')[0] as Bar['of']];
  return `${row.op}, ${row.shape}: ${row.side} ${what(row)}: ${number(found)}, target ${row.bar}`;
}
