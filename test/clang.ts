// Builds programs of build/fuzzer: the core and the fuzzer of its C++ functions, with clang, AddressSanitizer and
// UndefinedBehaviorSanitizer. Both consist of the same objects.
import { execFile } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const clangBuild: string = join('build', 'fuzzer');
export const clangs: readonly string[] = ['clang++-19', 'clang++-18', 'clang++'];

/** Returns the first compiler of `clangs` that is installed, or null. */
export async function installedClang(): Promise<string | null> {
  for (const compiler of clangs) {
    const found = await run(compiler, ['--version']).catch(() => null);
    if (found !== null) return compiler;
  }
  return null;
}

/** Returns the path of clang's shared AddressSanitizer, which a process that loads the sanitized core preloads, or null. */
export async function addressLibrary(compiler: string): Promise<string | null> {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  for (const name of [`libclang_rt.asan-${machine}.so`, 'libclang_rt.asan.so']) {
    const { stdout } = await run(compiler, [`-print-file-name=${name}`]);
    if (isAbsolute(stdout.trim())) return stdout.trim(); // clang prints the name alone if it has no such file
  }
  return null;
}

export async function buildWithClang(compiler: string, ...targets: ('fuzz' | 'emulated')[]): Promise<void> {
  const options = ['SANITIZE=fuzzer', 'HARNESS=ON', 'CUDA=OFF'].map((each) => `-DHOROBALL_${each}`);
  await run('cmake', ['-S', '.', '-B', clangBuild, `-DCMAKE_CXX_COMPILER=${compiler}`, ...options]);
  const args = ['--build', clangBuild, '--parallel', '2', '--target', ...targets];
  await run('cmake', args, { maxBuffer: 1 << 26 });
}
