// npm run prebuilds [-- PLATFORM]: builds the native core for publication, to prebuilds/<platform>/, and checks that a
// binary for glibc needs no recent version of it. The default is this machine's platform; on linux-x64, linux-arm64 and
// win32-x64 can be cross-compiled.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { platforms } from '../platforms.ts';
import { prebuiltName } from './binary-index.ts';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../..', import.meta.url));
/**
 * The oldest glibc with which the core loads. Node 20's own binaries need 2.28, so every system with glibc that runs Node
 * also loads the core.
 */
const oldestGlibc = [2, 17] as const;

const musl =
  process.platform === 'linux' &&
  !('glibcVersionRuntime' in (process.report.getReport() as { header: object }).header);
const here = `${process.platform}${musl ? 'musl' : ''}-${process.arch}`;
const target = process.argv[2] ?? here;
const platform = platforms[target];

function main(): void {
  if (platform === undefined) fail(`${target}: expected one of ${Object.keys(platforms).join(', ')}`);
  const work = join(root, 'build', `prebuild-${target}`);
  mkdirSync(work, { recursive: true });
  const options = [
    '-DCMAKE_BUILD_TYPE=Release',
    '-DHOROBALL_PORTABLE=ON',
    '-DHOROBALL_CUDA=OFF',
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(work, 'out')}`,
    ...crossOptions(),
    ...windowsOptions(work),
  ];
  rmSync(join(work, 'CMakeCache.txt'), { force: true });
  run('cmake', ['-S', root, '-B', work, ...options]);
  run('cmake', ['--build', work, '--target', 'core', '--config', 'Release', '--parallel']);
  const built = join(work, 'out', 'core.node');
  if (platform.libc === 'glibc') checkGlibc(built);
  const folder = join(root, 'prebuilds', target);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, prebuiltName(target));
  copyFileSync(built, file);
  process.stderr.write(`${file}: ${(statSync(file).size / 1e6).toFixed(1)} MB\n`);
}

/** For each platform that can be cross-compiled: CMake's names of its system and processor, and the compiler. */
const cross: Readonly<Record<string, readonly [system: string, processor: string, compiler: string]>> = {
  'linux-arm64': ['Linux', 'aarch64', 'aarch64-linux-gnu-g++'],
  'win32-x64': ['Windows', 'x86_64', 'x86_64-w64-mingw32-g++-posix'],
};

function crossOptions(): string[] {
  if (target === here) return [];
  const found = here === 'linux-x64' ? cross[target] : undefined;
  if (found === undefined) {
    fail(
      `${target} cannot be built on ${here}. Run this command on ${target}, as .github/workflows/prebuilds.yml does.`,
    );
  }
  const [system, processor, compiler] = found;
  return [
    `-DCMAKE_SYSTEM_NAME=${system}`,
    `-DCMAKE_SYSTEM_PROCESSOR=${processor}`,
    `-DCMAKE_CXX_COMPILER=${compiler}`,
  ];
}

/**
 * Returns the CMake options for Windows, where an addon links with an import library of node.exe. Creates the library from
 * the list of Node-API functions.
 */
function windowsOptions(work: string): string[] {
  if (platform!.os !== 'win32') return [];
  const { symbols } = require('node-api-headers') as {
    symbols: Record<string, { js_native_api_symbols: string[]; node_api_symbols: string[] }>;
  };
  const { js_native_api_symbols: engine, node_api_symbols: node } = symbols['v8']!;
  const [definition, library] = [join(work, 'node.def'), join(work, 'libnode.a')];
  writeFileSync(definition, ['NAME NODE.EXE', 'EXPORTS', ...engine, ...node, ''].join('\n'));
  const dlltool = target === here ? 'dlltool' : 'x86_64-w64-mingw32-dlltool';
  run(dlltool, ['--input-def', definition, '--output-lib', library]);
  return [`-DCMAKE_JS_LIB=${library}`, ...(target === here ? ['-G', 'Ninja'] : [])];
}

/** Fails if the binary needs a symbol that is newer than the oldest supported glibc. */
function checkGlibc(file: string): void {
  const wanted = run('readelf', ['--dyn-syms', '--wide', file]).matchAll(/(\S+)@GLIBC_(\d+)\.(\d+)/g);
  const symbols = Array.from(wanted, ([, name, major, minor]) => ({
    name,
    version: [Number(major), Number(minor)] as const,
  }));
  if (symbols.length === 0) fail(`readelf shows no symbol of glibc in ${file}`);
  symbols.sort((a, b) => b.version[0] - a.version[0] || b.version[1] - a.version[1]);
  const newest = symbols[0]!;
  const text = `${newest.name} of glibc ${newest.version.join('.')}`;
  const [major, minor] = newest.version;
  if (major > oldestGlibc[0] || minor > oldestGlibc[1]) {
    fail(`${file} needs ${text}, newer than ${oldestGlibc.join('.')}: add it to native/node/glibc.cc`);
  }
  process.stderr.write(`${file}: the newest symbol that it needs is ${text}\n`);
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) fail(`${program} ${args.join(' ')} failed: ${error?.message ?? stdout + stderr}`);
  return stdout;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

main();
