// `npm run bench:gpu`: builds the kernels for the GPU that is here, runs their tests, then times them beside their
// peers in one run; prints the table last and writes the rows to bench/rows/.
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A measured side. */
interface Timing {
  readonly side: string;
  readonly op: string;
  readonly shape: string;
  readonly ms: number;
  readonly gflops: number;
}
type Line = Timing | { readonly about: Record<string, string> };

function run(command: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
    ...options,
  });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
  }
  return stdout === null ? '' : String(stdout);
}

function gpu(): { device: string; driver: string } {
  const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
  const [device = '', driver = ''] = run('nvidia-smi', query).split('\n', 1)[0]!.split(', ');
  return { device, driver };
}

/** The bundle says which commit it was packed from, for a copy that is no checkout. */
function commitHere(): string {
  const note = join(root, '.gpu/commit');
  if (!existsSync(join(root, '.git')) && existsSync(note)) return readFileSync(note, 'utf8').trim();
  return run('git', ['rev-parse', '--short', 'HEAD']).trim();
}

const inherit: SpawnSyncOptions = { stdio: 'inherit' };

function build(): void {
  const work = join(root, 'build');
  const options = ['-DCMAKE_BUILD_TYPE=Release', '-DHOROBALL_CUDA=ON', '-DHOROBALL_CUDA_ARCHITECTURES=AUTO'];
  // As cmake-js lays the build out, so that the core is found.
  const out = `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(work, 'Release')}`;
  run('cmake', ['-S', root, '-B', work, out, ...options], inherit);
  run('cmake', ['--build', work, '--parallel', '--target', 'core', 'gpu_bench'], inherit);
}

function lines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
}

function timings(): { timings: Timing[]; torch: string } {
  const own = lines(run(join(root, 'build/gpu_bench'), []));
  let peers: Line[] = [];
  try {
    peers = lines(run(process.env['PYTHON'] ?? 'python3', ['gpu.py'], { cwd: join(root, 'bench/peers') }));
  } catch (error) {
    process.stderr.write(`no peers: ${(error as Error).message}\n`);
  }
  const all = [...own, ...peers];
  const about = all.find((line) => 'about' in line);
  return {
    timings: all.filter((line) => 'side' in line),
    torch: about?.about['torch'] ?? 'not measured',
  };
}

/** One line a timing; `ratio` is its time over horoball's at the same shape. */
function table(all: readonly Timing[]): string {
  const rows = all.map(({ side, op, shape, ms, gflops }) => {
    const own = all.find((row) => row.side === 'horoball' && row.op === op && row.shape === shape);
    const ratio = own === undefined ? '' : (ms / own.ms).toFixed(2);
    return [op, shape, side, ms.toPrecision(4), gflops.toFixed(0), ratio];
  });
  const head = ['operation', 'shape', 'side', 'ms', 'Gflop/s', 'ratio'];
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')).join('\n');
}

function main(): void {
  const { device, driver } = gpu();
  build();
  run(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', 'dist/test/gpu/*.test.js'], inherit);
  const commit = commitHere();
  const measured = timings();
  const about = { device, driver, commit, date: new Date().toISOString(), torch: measured.torch };
  const csv = [
    ...Object.entries(about).map(([name, value]) => `# ${name}: ${value}`),
    'side,operation,shape,ms,gflops',
    ...measured.timings.map((row) => `${row.side},"${row.op}",${row.shape},${row.ms},${row.gflops}`),
  ];
  const file = join(root, 'bench/rows', `gpu-${device.replaceAll(/\W+/g, '-')}-${commit}.csv`);
  mkdirSync(join(root, 'bench/rows'), { recursive: true });
  writeFileSync(file, `${csv.join('\n')}\n`);
  process.stdout.write(`\n${device}, driver ${driver}, torch ${measured.torch}, ${commit}\n`);
  process.stdout.write(`${table(measured.timings)}\n\n${file}\n`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
