// Builds the core, with emulated CUDA kernels, and the fuzzer of its C++ functions with clang, AddressSanitizer and
// UndefinedBehaviorSanitizer. They share the objects of the kernels.
import { execFile, execFileSync } from 'node:child_process';
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

/** Configures build/fuzzer and builds these targets, with the output of CMake. */
export function buildWithClang(compiler: string, ...targets: ('fuzz' | 'emulated')[]): void {
  const options = ['SANITIZE=fuzzer', 'CORE=ON', 'HARNESS=ON', 'CUDA=OFF'].map(
    (each) => `-DHOROBALL_${each}`,
  );
  const stdio = 'inherit';
  const configured = [`-DCMAKE_CXX_COMPILER=${compiler}`, ...options];
  execFileSync('cmake', ['-S', '.', '-B', clangBuild, ...configured], { stdio });
  execFileSync('cmake', ['--build', clangBuild, '--parallel', '2', '--target', ...targets], { stdio });
}
