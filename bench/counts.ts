// `npm run bench:counts [-- --update]`: instructions of the hot kernels on fixed inputs at the AVX2 level, counted by
// valgrind. Counts are stable in CI: times vary with the machine, but the same binary executes the same instructions.
// Fewer instructions do not always mean less time, so an increase must be explained but may be right. A change that is
// faster in `npm run bench` but executes more instructions updates counts.json (`--update`); the commit message says why.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { number } from './table.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const baselineFile = join(root, 'native', 'test', 'counts.json');
const level = 'avx2';

/** Instruction counts of every kernel, with the compiler that they depend on. */
export interface Counts {
  /** Compiler and major version, such as `gcc 12`; other compilers generate other code. */
  readonly compiler: string;
  readonly level: string;
  /** Allowed increase of a count relative to the baseline. */
  readonly tolerance: number;
  readonly kernels: Readonly<Record<string, number>>;
}

/** One kernel compared with the baseline. */
export interface CountChange {
  readonly name: string;
  readonly before: number;
  readonly now: number;
  readonly verdict: 'same' | 'more' | 'fewer' | 'new' | 'gone';
}

/** Compares every kernel in the baseline or the new counts. */
export function compareCounts(before: Counts, now: Counts['kernels']): CountChange[] {
  const names = new Set([...Object.keys(before.kernels), ...Object.keys(now)]);
  return [...names].map((name) => {
    const [was = Number.NaN, is = Number.NaN] = [before.kernels[name], now[name]];
    return { name, before: was, now: is, verdict: judge(was, is, before.tolerance) };
  });
}

function judge(before: number, now: number, tolerance: number): CountChange['verdict'] {
  if (Number.isNaN(before)) return 'new';
  if (Number.isNaN(now)) return 'gone';
  if (now > before * (1 + tolerance)) return 'more';
  return now < before * (1 - tolerance) ? 'fewer' : 'same';
}

/** Whether a kernel executes more instructions, or is missing in the baseline or the new counts. */
export function isCostlier({ verdict }: CountChange): boolean {
  return verdict === 'more' || verdict === 'new' || verdict === 'gone';
}

/** Reads the committed counts. */
export async function baseline(): Promise<Counts> {
  return JSON.parse(await readFile(baselineFile, 'utf8')) as Counts;
}

/** Returns the first line that a program prints, or undefined if it is not installed. */
async function firstLineOf(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    return (await execute(program, args)).stdout.split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Returns why instructions cannot be counted on this machine, or undefined. */
export async function whyNotCounted(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'counting requires Linux on x64';
  if (!existsSync(join(root, 'build'))) return 'counting requires a checkout that has been built';
  if ((await firstLineOf('valgrind', '--version')) === undefined) return 'valgrind is not installed';
  const flags = await readFile('/proc/cpuinfo', 'utf8');
  return /\bavx2\b/.test(flags) ? undefined : 'this processor lacks AVX2';
}

/** Builds the harness from the core's object files, and counts instructions; `compiler` is the build's compiler. */
export async function countAll(): Promise<Pick<Counts, 'compiler' | 'kernels'>> {
  await execute('cmake', ['--build', join(root, 'build'), '--target', 'kernels']);
  const folder = await mkdtemp(join(tmpdir(), 'horoball-counts-'));
  try {
    // Each kernel is one call of `measured`, and each call writes one file: `out.1`, `out.2`, ...
    const out = join(folder, 'out');
    const options = ['--toggle-collect=measured', '--dump-after=measured', `--callgrind-out-file=${out}`];
    const harness = join(root, 'build', 'kernels');
    const { stdout } = await execute('valgrind', ['--tool=callgrind', ...options, harness, level]);
    const [compiler = '', ...lines] = stdout.trim().split('\n');
    const names = lines.map((line) => line.split('\t')[0]!);
    const counts = await Promise.all(names.map((_, i) => total(`${out}.${i + 1}`)));
    return { compiler, kernels: Object.fromEntries(names.map((name, i) => [name, counts[i]!])) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function total(file: string): Promise<number> {
  const found = /^totals: (\d+)/m.exec(await readFile(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`callgrind wrote no total to ${file}`);
  return Number(found);
}

function line({ name, before, now, verdict }: CountChange): string {
  const change = `${(100 * (now / before - 1)).toFixed(2)} %`.padStart(9);
  const counts = [before, now].map((value) => number(value).padStart(12)).join('');
  return `${name.padEnd(20)}${counts}${Number.isNaN(now / before) ? ''.padStart(9) : change}  ${verdict}`;
}

const help = `Usage: horoball bench counts [--update]
       npm run bench:counts [-- --update]              in a checkout

Counts the instructions of the hot kernels on fixed inputs at the ${level} level
with valgrind, and compares them with native/test/counts.json. Exits with 1 if
a count exceeds the baseline by more than the tolerance, or if a kernel is new
or gone.

  --update   replaces the baseline with the new counts
`;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(help);
    return;
  }
  const why = await whyNotCounted();
  if (why !== undefined) {
    process.stdout.write(`Instructions are not counted: ${why}.\n`);
    return;
  }
  const { compiler, kernels } = await countAll();
  const before = await baseline();
  const changes = compareCounts(before, kernels);
  process.stdout.write(`Instructions at the ${level} level, ${compiler}; baseline of ${before.compiler}\n`);
  for (const change of changes) process.stdout.write(`${line(change)}\n`);
  if (process.argv.includes('--update')) {
    const made: Counts = { compiler, level, tolerance: before.tolerance, kernels };
    await writeFile(baselineFile, `${JSON.stringify(made, undefined, 2)}\n`);
  } else if (compiler !== before.compiler) {
    process.stdout.write('Counts are not compared: the baseline was made with another compiler.\n');
  } else if (changes.some(isCostlier)) {
    const percent = 100 * before.tolerance;
    process.stdout.write(
      `Some kernels are more than ${percent}% above the baseline, new or gone. If intended, run npm run bench:counts -- --update.\n`,
    );
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
