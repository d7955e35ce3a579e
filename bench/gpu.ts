// `npm run bench:gpu`: builds the kernels for the GPU of this machine and the training addon for python3's torch, runs a
// smoke test and the tests, then times kernels and training steps alongside their peers. Each stage has a time limit, and a
// failed stage does not stop the others. Rows are written as they arrive, so an interrupted run keeps the finished ones.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { called, usageError } from './arguments.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A measurement of horoball or of a peer, for one shape. */
interface Timing {
  readonly side: string;
  readonly op: string;
  readonly shape: string;
  readonly ms: number;
  readonly gflops: number;
}
type Line = Timing | { readonly about: Record<string, string> };

const node = process.execPath;
const python = process.env['PYTHON'] ?? 'python3';
const build = join(root, 'build');
const peers = join(root, 'bench/peers/gpu.py');

/** The option with which CMake builds the core into the folder of cmake-js, where the package looks for it. */
const release = `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(build, 'Release')}`;
const configure = ['-S', root, '-B', build, release, '-DCMAKE_BUILD_TYPE=Release', '-DHOROBALL_CUDA=ON'];

type Command = readonly [string, ...string[]];

/** The arguments of a test run, one file at a time, because the tests of a single file occupy the whole device. */
const ava = ['node_modules/ava/entrypoints/cli.mjs', '--concurrency=1', '--timeout=5m'];

interface Stage {
  readonly commands: readonly Command[];
  /** The time limit. A stage that takes longer is stopped; the rows it has written are kept. */
  readonly limitSeconds: number;
}
const stage = (limitSeconds: number, ...commands: Command[]): Stage => ({ commands, limitSeconds });
const kernels = join(build, 'gpu_bench');

/** The stages, most valuable first, because a run may be interrupted. */
const stages: Readonly<Record<string, Stage>> = {
  build: stage(
    240,
    ['cmake', ...configure, '-DHOROBALL_CUDA_ARCHITECTURES=AUTO'],
    ['cmake', '--build', build, '--parallel', '--target', 'core', 'gpu_bench'],
    [node, 'dist/lib/cli/main.js', 'setup'],
  ),
  smoke: stage(60, [node, 'dist/bench/gpu-smoke.js']),
  tests: stage(240, [node, ...ava, 'dist/test/gpu/*.test.js']),
  kernels: stage(60, [kernels, 'usual']),
  'kernel peers': stage(120, [python, peers, 'kernels']),
  training: stage(120, [node, 'dist/bench/gpu-train.js']),
  'several ranks': stage(120, [node, 'dist/bench/gpu-group.js']),
  'training peers': stage(240, [python, peers, 'training']),
  large: stage(180, [kernels, 'large']),
};

const help = `Usage: npm run bench:gpu -- [options]
       bench/gpu.sh [options]                          on a machine without npm

  --only PATTERN  stages whose name matches: ${Object.keys(stages).join(', ')} (default: all)
  --out FOLDER    folder for the rows (default: bench/rows)
`;
const values = called(help, {
  help: { type: 'boolean' },
  only: { type: 'string', default: '' },
  out: { type: 'string', default: 'bench/rows' },
});

function ask(command: string, args: readonly string[]): string {
  const { status, stdout, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
  }
  return stdout;
}

function gpu(): { device: string; driver: string } {
  const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
  const [device = '', driver = ''] = ask('nvidia-smi', query).split('\n', 1)[0]!.split(', ');
  return { device, driver };
}

/**
 * Returns the commit of this code. Without a git checkout it is read from .gpu/commit, where `npm run gpu:bundle` wrote
 * it.
 */
function commitHere(): string {
  const note = join(root, '.gpu/commit');
  if (!existsSync(join(root, '.git')) && existsSync(note)) return readFileSync(note, 'utf8').trim();
  return ask('git', ['rev-parse', '--short', 'HEAD']).trim();
}

/** Passes each row on stdout to `onRow` and prints other lines. Rejects if the command fails or is still running at `end`. */
async function run([command, ...args]: Command, end: number, onRow: (row: Line) => void): Promise<void> {
  // The training addon is built for the torch that its peers use.
  const env = { ...process.env, LIBTORCH_USE_PYTORCH: '1' };
  const child: ChildProcess = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? code}`));
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), Math.max(1, end - performance.now()));
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('{')) onRow(JSON.parse(line) as Line);
    else process.stdout.write(`${line}\n`);
  }
  const fault = await ended;
  clearTimeout(limit);
  if (performance.now() >= end)
    throw new Error(`${[command, ...args].join(' ')}: exceeded the time limit of its stage`);
  if (fault !== '') throw new Error(`${[command, ...args].join(' ')}: ${fault}`);
}

/** The rows of a run; the file is written again after each row, so it is always complete. */
class Rows {
  readonly timings: Timing[] = [];
  readonly about: Record<string, string>;
  readonly file: string;

  constructor(about: Record<string, string>, folder: string) {
    this.about = about;
    mkdirSync(folder, { recursive: true });
    const name = about['device']!.replaceAll(/\W+/g, '-');
    this.file = join(folder, `gpu-${name}-${about['commit']}.csv`);
  }

  add(line: Line): void {
    if ('about' in line) this.about['torch'] = line.about['torch']!;
    else this.timings.push(line);
    const csv = [
      ...Object.entries(this.about).map(([name, value]) => `# ${name}: ${value}`),
      'side,operation,shape,ms,gflops',
      ...this.timings.map((row) => `"${row.side}","${row.op}",${row.shape},${row.ms},${row.gflops}`),
    ];
    writeFileSync(this.file, `${csv.join('\n')}\n`);
  }

  /** Returns the timings as a table; `ratio` is a time divided by horoball's for the same operation and shape. */
  table(): string {
    const rows = this.timings.map(({ side, op, shape, ms, gflops }) => {
      const own = this.timings.find((r) => r.side === 'horoball' && r.op === op && r.shape === shape);
      const ratio = own === undefined ? '' : (ms / own.ms).toFixed(2);
      return [op, shape, side, ms.toPrecision(4), gflops.toFixed(0), ratio];
    });
    const head = ['operation', 'shape', 'side', 'ms', 'Gflop/s', 'ratio'];
    const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
    return [head, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')).join('\n');
  }
}

async function main(): Promise<void> {
  const wanted = Object.entries(stages).filter(([name]) => new RegExp(values.only).test(name));
  if (wanted.length === 0)
    usageError(
      `--only: expected part of a stage's name, got '${values.only}'. The stages are ${Object.keys(stages).join(', ')}`,
    );
  const { device, driver } = gpu();
  const commit = commitHere();
  const about = { device, driver, commit, date: new Date().toISOString(), torch: 'not measured' };
  const rows = new Rows(about, resolve(root, values.out));
  const failed: string[] = [];
  for (const [name, { commands, limitSeconds }] of wanted) {
    const begin = performance.now();
    const end = begin + 1000 * limitSeconds;
    try {
      for (const command of commands) await run(command, end, (row) => rows.add(row));
    } catch (error) {
      failed.push((error as Error).message); // the other stages still run
    }
    process.stdout.write(`-- ${name}: ${((performance.now() - begin) / 1000).toFixed(0)} s\n`);
  }
  if (rows.timings.length > 0) {
    process.stdout.write(`\n${device}, driver ${driver}, torch ${rows.about['torch']}, ${commit}\n`);
    process.stdout.write(`${rows.table()}\n\n${rows.file}\n`);
  }
  for (const fault of failed) process.stderr.write(`FAILED: ${fault}\n`);
  if (failed.length > 0) process.exitCode = 1;
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
