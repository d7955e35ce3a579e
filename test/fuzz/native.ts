// Fuzzes C++ functions of the core with libFuzzer, through native/test/fuzz.cc.
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { coreInfo } from '../../lib/index.ts';
import { buildWithClang, clangBuild, clangs, installedClang } from '../clang.ts';

const corpus = join('test', 'fuzz', 'corpus');

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
  const compiler = await installedClang();
  if (compiler === null) return `none of ${clangs.join(', ')} is installed`;
  buildWithClang(compiler, 'fuzz');
  return null;
}

export interface NativeFuzzed {
  name: string;
  level: string;
  executions: number;
  fault: string | null;
}

/** Fuzzes one function at one SIMD level. Inputs that reach new code are added to build/fuzzer/corpus. */
export async function fuzzNative(name: string, level: string, seconds: number): Promise<NativeFuzzed> {
  const grown = join(clangBuild, 'corpus', name);
  await mkdir(grown, { recursive: true });
  const options = [`-max_total_time=${seconds}`, '-print_final_stats=1', '-max_len=512', '-timeout=10'];
  const places = [`-artifact_prefix=${clangBuild}/`, grown, join(corpus, name)];
  const child = spawn(join(clangBuild, 'fuzz'), [...options, ...places], {
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
