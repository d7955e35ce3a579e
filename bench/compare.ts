// `npm run bench:compare A.csv B.csv`: lists rows that are slower or faster in B than in A beyond the noise measured in both,
// rows that B lacks, larger memory peaks, missed targets, and ratios to peers that B does not reproduce. Exits with 1 if a row
// got worse.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { usageError } from './arguments.ts';
import { median } from './measure.ts';
import { fromCsv, identity, isOneMachine, type Results, type Row } from './results.ts';
import { number } from './table.ts';

const help = `Usage: horoball bench compare A.csv B.csv
       npm run bench:compare A.csv B.csv               in a checkout

Lists operations that are slower or faster in B than in A by more than the
measured noise, or that take more memory, and ratios that differ by more than
their printed spreads. Times are corrected for a change in the machine's speed,
which is estimated from the peers. Exits with 1 if a horoball row is slower,
larger or missing, or misses a target that it met in A. If the runs are from
different machines, or the peak arithmetic rates measured before them differ by
more than 10 %, compares only targets and ratios.
`;

/** A row of A, compared with the same row of B. */
export interface Change {
  readonly row: Row;
  /** B over A, for times corrected for the change in the machine's speed: above 1 is worse. NaN if B lacks the row. */
  readonly factor: number;
  /** How far a factor may deviate from 1 by chance. */
  readonly noise: number;
  readonly verdict: 'slower' | 'faster' | 'larger' | 'same' | 'target missed' | 'missing';
}

/** The minimum relative noise of a time, even if both spreads are smaller. */
const leastNoise = 0.03;
/** Assumed relative error of a single call's time, which has no spread. */
const unknownNoise = 0.5;
/** Allowed growth of a memory peak: 10%, but at least 1 MB, because peaks vary by a few pages. */
const memoryNoise = 0.1;
const memoryNoiseMB = 1;

/** Reports the targets that A meets and B misses. Compares all of horoball's rows if A and B are from one machine. */
export function compare(a: Results, b: Results): Change[] {
  const after = new Map(b.rows.map((row) => [identity(row), row]));
  const speed = machineFactor(a.rows, after);
  const isComparable = isOneMachine(a, b);
  return a.rows.flatMap((before) => {
    const now = after.get(identity(before));
    if (before.status !== 'measured') return [];
    const isJudged = isOwn(before) && isComparable;
    if (now?.status !== 'measured') return isJudged ? [missing(before)] : [];
    const isMissed = before.verdict === 'pass' && now.verdict === 'fail';
    if (!isMissed && !isJudged) return [];
    return [judge(before, now, speed, isMissed), ...(isJudged ? larger(before, now) : [])];
  });
}

/** Whether a row is horoball's own, not a peer's. */
function isOwn({ side }: Row): boolean {
  return side.startsWith('horoball');
}

function larger(before: Row, now: Row): Change[] {
  const most = Math.max(before.peakMB * (1 + memoryNoise), before.peakMB + memoryNoiseMB);
  if (!(now.peakMB > most)) return [];
  return [{ row: now, factor: now.peakMB / before.peakMB, noise: memoryNoise, verdict: 'larger' }];
}

function missing(row: Row): Change {
  return { row, factor: Number.NaN, noise: Number.NaN, verdict: 'missing' };
}

function judge(before: Row, now: Row, speed: number, isMissed: boolean): Change {
  const isTime = before.ms > 0;
  const factor = isTime ? now.ms / before.ms / speed : now.value / before.value;
  const spread = (row: Row) => {
    const { spread: found } = row;
    if (!isTime) return zero(row.ratioSpread);
    return Number.isNaN(found) ? unknownNoise : found;
  };
  const isExponent = before.unit === 'exponent'; // a fitted exponent is judged only by its target
  const noise = isExponent ? Infinity : Math.max(leastNoise, Math.hypot(spread(before), spread(now)));
  const verdict = isMissed
    ? 'target missed'
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

/** Returns how much slower the machine was in B, by the times of peers; 1 if fewer than three rows of peers are in both. */
function machineFactor(rows: readonly Row[], after: ReadonlyMap<string, Row>): number {
  const factors = rows
    .filter((row) => !isOwn(row) && row.ms > 0)
    .map((row) => (after.get(identity(row))?.ms ?? Number.NaN) / row.ms)
    .filter((factor) => factor > 0);
  return factors.length < 3 ? 1 : median(factors);
}

/** Whether a change should block a merge. */
export function isRegression({ verdict }: Change): boolean {
  return verdict !== 'same' && verdict !== 'faster';
}

/** A ratio of two sides, in both runs. */
export interface RatioPair {
  readonly row: Row;
  readonly before: number;
  readonly now: number;
  /** Whether the two differ by no more than their printed spreads. */
  readonly agrees: boolean;
}

/** Returns every ratio that both runs measured. A repetition on the same machine must reproduce it. */
export function ratios(a: Results, b: Results): RatioPair[] {
  const after = new Map(b.rows.map((row) => [identity(row), row]));
  return a.rows.flatMap((row) => {
    const now = after.get(identity(row));
    if (now === undefined || !(row.ratio > 0 && now.ratio > 0)) return [];
    const tolerance = zero(row.ratioSpread) + zero(now.ratioSpread);
    const apart = Math.abs(now.ratio - row.ratio) / Math.min(now.ratio, row.ratio);
    return [{ row: now, before: row.ratio, now: now.ratio, agrees: apart <= tolerance }];
  });
}

function named({ suite, op, side, geometry, heads, guards, pass, type }: Row): string {
  return [suite, op, side, geometry, heads, guards, pass, type].filter(Boolean).join(' ');
}

function line({ row, factor, noise, verdict }: Change): string {
  const what = verdict === 'larger' ? 'memory' : row.ms > 0 ? 'time' : 'value';
  const change = Number.isNaN(factor)
    ? ''
    : `${what} x ${factor.toFixed(2)} (noise ${(100 * noise).toFixed(0)} %)`;
  return `${verdict.padEnd(8)}  ${named(row)}  ${change}`;
}

/** Reads a table of results; exits with code 2 if it is unreadable. */
async function read(path: string): Promise<Results> {
  try {
    return fromCsv(await readFile(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return usageError(`${path}: ${code === 'ENOENT' ? 'no such file' : message}`);
  }
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    strict: false,
    options: { help: { type: 'boolean' } },
  });
  const [a, b] = positionals;
  if (values['help']) {
    process.stdout.write(help);
    return;
  }
  if (a === undefined || b === undefined) {
    usageError('expected two tables of results: npm run bench:compare A.csv B.csv');
  }
  const [before, now] = await Promise.all([a, b].map(read));
  if (!isOneMachine(before!, now!)) {
    process.stderr.write(
      'The two runs are from different machines, or from one machine running at different speeds: only targets and ratios are compared, not times and memory.\n',
    );
  }
  const changes = compare(before!, now!);
  for (const change of changes) if (change.verdict !== 'same') process.stdout.write(`${line(change)}\n`);
  const pairs = ratios(before!, now!);
  const mismatches = pairs.filter(({ agrees }) => !agrees);
  for (const { row, before: was, now: is } of mismatches) {
    process.stdout.write(`ratio     ${named(row)}  ${number(was)} became ${number(is)}\n`);
  }
  const count = changes.filter(isRegression).length;
  const agreeing = pairs.length - mismatches.length;
  process.stdout.write(`${agreeing} of ${pairs.length} ratios agree within their spreads.\n`);
  process.stdout.write(
    `Other comparisons: ${changes.length}, of which ${count} ${count === 1 ? 'is' : 'are'} worse.\n`,
  );
  if (count > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
