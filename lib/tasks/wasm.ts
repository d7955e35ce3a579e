// npm run build:wasm: builds the core for WebAssembly, to dist/lib/horoball.wasm.gz. Needs cmake and clang with
// wasi-libc (native/cmake/wasm-toolchain.cmake names Debian's packages); CXX_WASM names another clang.
//
// npm run test:wasm (--test): builds it and runs the core's tests on it. Prints a message and skips the tests if a tool
// is missing.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { coreFolders } from './core-folders.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const work = join(root, 'build/wasm');
/** Maximum size of the compressed core, as a web server sends it. */
const maxBytes = 500_000;

function main(): void {
  const testing = process.argv.includes('--test');
  const compiler = [process.env['CXX_WASM'], 'clang++-19', 'clang++', 'clang++-18', 'clang++-16'].find(
    compiles,
  );
  if (compiler === undefined || run('cmake', ['--version']).status !== 0) {
    const missing =
      'needs cmake and clang with wasi-libc (Debian: clang-19 lld-19 libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 wasi-libc)';
    if (!testing) fail(`The WebAssembly core ${missing}.`);
    process.stderr.write(`SKIPPED: the core's tests on WebAssembly: building it ${missing}.\n`);
    return;
  }
  build(compiler);
  if (testing) test();
}

/** Whether a compiler can build a program for WASI. */
function compiles(compiler: string | undefined): boolean {
  if (compiler === undefined) return false;
  const to = join(tmpdir(), `horoball-${process.pid}.wasm`);
  const args = ['--target=wasm32-wasi', '-std=c++20', '-fno-exceptions', '-x', 'c++', '-o', to, '-'];
  const input = '#include <string>\nint main(int n, char** text) { return std::string(text[0]).size() + n; }';
  return spawnSync(compiler, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

function build(compiler: string): void {
  const options = [
    '-DCMAKE_TOOLCHAIN_FILE=native/cmake/wasm-toolchain.cmake',
    `-DCMAKE_CXX_COMPILER=${compiler}`,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DHOROBALL_WASM=ON',
  ];
  need('cmake', ['-S', root, '-B', work, ...options]);
  need('cmake', ['--build', work, '--target', 'wasm', '--parallel', String(Math.min(cpus().length, 4))]);
  const to = join(root, 'dist/lib/horoball.wasm.gz');
  mkdirSync(join(root, 'dist/lib'), { recursive: true });
  const bytes = readFileSync(join(work, 'horoball.wasm'));
  const packed = gzipSync(bytes, { level: 9 });
  writeFileSync(to, packed);
  process.stderr.write(`${to}: ${kilobytes(packed.length)}, unpacked ${kilobytes(bytes.length)}\n`);
  if (packed.length > maxBytes) fail(`${to}: expected at most ${kilobytes(maxBytes)}`);
}

const kilobytes = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;

/** Tests to skip: those of the native binary (CPU levels, memory limits, raw functions), and those that use no core. */
const nativeOnly = ['bench', 'process', 'hostile', 'wrong-arguments', 'examples', 'guide', 'import-rules'];

function test(): void {
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs');
  const files = [
    `dist/test/!(${nativeOnly.join('|')}).test.js`,
    `dist/test/{${['image', 'layers', ...coreFolders].join(',')}}/*.test.js`,
  ];
  const env = { ...process.env, HOROBALL_WASM: '1' };
  const { status } = spawnSync(process.execPath, [ava, '--timeout=10m', ...files], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

function run(program: string, args: readonly string[]) {
  return spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function need(program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = run(program, args);
  if (status !== 0) fail(`${program} ${args.join(' ')} failed: ${error?.message ?? stdout + stderr}`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

main();
