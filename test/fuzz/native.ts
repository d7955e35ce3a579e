// Fuzzes C++ functions of the core with libFuzzer, through native/test/fuzz.cc.
import { execFile, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { coreInfo } from '../../lib/index.ts';

const run = promisify(execFile);
const build = join('build', 'fuzzer');
const corpus = join('test', 'fuzz', 'corpus');
const compilers = ['clang++-19', 'clang++-18', 'clang++'];

/** The names of the functions that fuzz.cc calls. */
export const functions = [
  'pairwise',
  'pairwiseVjp',
  'contrast',
  'pairLoss',
  'select',
  'centers',
  'encode',
  'probe',
  'delta',
  'decodeJpeg',
  'resample',
  'augment',
  'row',
  'rowVjp',
  'rowShort',
  'rowVjpShort',
] as const;

/** Builds the fuzzer. Returns null, or the reason if no compiler is installed. */
export async function buildFuzzer(): Promise<string | null> {
  for (const compiler of compilers) {
    const found = await run(compiler, ['--version']).catch(() => null);
    if (found === null) continue;
    const options = ['SANITIZE=fuzzer', 'CORE=OFF', 'HARNESS=ON'].map((each) => `-DHOROBALL_${each}`);
    await run('cmake', ['-S', '.', '-B', build, `-DCMAKE_CXX_COMPILER=${compiler}`, ...options]);
    await run('cmake', ['--build', build, '--target', 'fuzz', '--parallel', '2'], { maxBuffer: 1 << 26 });
    return null;
  }
  return `none of ${compilers.join(', ')} is installed`;
}

export interface NativeFuzzed {
  name: string;
  level: string;
  executions: number;
  fault: string | null;
}

/** Fuzzes one function at one SIMD level. Inputs that reach new code are added to build/fuzzer/corpus. */
export async function fuzzNative(name: string, level: string, seconds: number): Promise<NativeFuzzed> {
  const grown = join(build, 'corpus', name);
  await mkdir(grown, { recursive: true });
  const options = [`-max_total_time=${seconds}`, '-print_final_stats=1', '-max_len=512', '-timeout=10'];
  const places = [`-artifact_prefix=${build}/`, grown, join(corpus, name)];
  const child = spawn(join(build, 'fuzz'), [...options, ...places], {
    env: { ...process.env, HOROBALL_FUZZ_FUNCTION: name, HOROBALL_ISA: level },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-20_000);
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const executions = Number(/number_of_executed_units: (\d+)/.exec(text)?.[1] ?? 0);
  return { name, level, executions, fault: code === 0 ? null : text };
}

/** The SIMD levels of the fuzzer that this machine supports. */
export function levels(): readonly string[] {
  return coreInfo().levels;
}
