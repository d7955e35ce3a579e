// `npm run bench:compare A.csv B.csv`: what became slower from A to B beyond the noise that both measured.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './measure.ts';
import { fromCsv, identity, type Results, type Row } from './rows.ts';

/** A row of both runs. */
export interface Change {
  readonly row: Row;
  /** B over A, the machine's own change taken out: above 1 is worse. */
  readonly factor: number;
  /** How far a factor may be from 1 by chance. */
  readonly noise: number;
  readonly verdict: 'slower' | 'faster' | 'same' | 'bar lost' | 'gone';
}

/** No two runs agree better than this, whatever their spread. */
const leastNoise = 0.03;

/** Every row of horoball's in A, and every bar. */
export function compare(a: Results, b: Results): Change[] {
  const after = new Map(b.rows.map((row) => [identity(row), row]));
  const speed = machineFactor(a.rows, after);
  return a.rows.flatMap((before) => {
    const now = after.get(identity(before));
    if (before.status !== 'measured') return [];
    if (now?.status !== 'measured') return before.side === 'horoball' ? [gone(before)] : [];
    const lost = before.verdict === 'pass' && now.verdict === 'fail';
    if (before.side !== 'horoball' && !lost) return [];
    return [judge(before, now, speed, lost)];
  });
}

function gone(row: Row): Change {
  return { row, factor: Number.NaN, noise: Number.NaN, verdict: 'gone' };
}

function judge(before: Row, now: Row, speed: number, lost: boolean): Change {
  const isTime = before.ms > 0;
  const factor = isTime ? now.ms / before.ms / speed : now.value / before.value;
  const noise = Math.max(leastNoise, 2 * Math.hypot(zero(before.spread), zero(now.spread)));
  const verdict = lost
    ? 'bar lost'
    : factor > 1 + noise
      ? 'slower'
      : factor < 1 / (1 + noise)
        ? 'faster'
        : 'same';
  return { row: now, factor, noise, verdict };
}

function zero(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}

/** How much slower the peers ran: they did not change, so that is the machine. 1 where none is in both. */
function machineFactor(rows: readonly Row[], after: ReadonlyMap<string, Row>): number {
  const factors = rows
    .filter(({ side, ms }) => side !== 'horoball' && ms > 0)
    .map((row) => (after.get(identity(row))?.ms ?? Number.NaN) / row.ms)
    .filter((factor) => factor > 0);
  return factors.length < 3 ? 1 : median(factors);
}

/** Whether a change is one that should stop a merge. */
export function isRegression({ verdict }: Change): boolean {
  return verdict === 'slower' || verdict === 'bar lost' || verdict === 'gone';
}

function line({ row, factor, noise, verdict }: Change): string {
  const { op, shape, geometry, heads, guards, pass, type } = row;
  const times = Number.isNaN(factor)
    ? ''
    : `${factor.toFixed(2)} times (noise ${(100 * noise).toFixed(0)} %)`;
  return `${verdict.padEnd(8)}  ${[op, shape, geometry, heads, guards, pass, type].filter(Boolean).join(' ')}  ${times}`;
}

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [a, b] = positionals;
  if (a === undefined || b === undefined) {
    process.stderr.write('Give two tables of results: npm run bench:compare A.csv B.csv\n');
    process.exitCode = 2;
    return;
  }
  const [before, now] = await Promise.all([a, b].map(async (path) => fromCsv(await readFile(path, 'utf8'))));
  if (before!.about['machine'] !== now!.about['machine']) {
    process.stderr.write('The two runs are of different machines: only their bars can be compared.\n');
  }
  const changes = compare(before!, now!);
  for (const change of changes) if (change.verdict !== 'same') process.stdout.write(`${line(change)}\n`);
  const count = changes.filter(isRegression).length;
  process.stdout.write(`${changes.length} rows compared, ${count} worse.\n`);
  if (count > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
