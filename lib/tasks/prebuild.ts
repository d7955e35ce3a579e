// npm run prebuilds [-- PLATFORM-ARCH]: builds the light core as it is published, to
// prebuilds/<platform>-<arch>/, and checks the result. The default is this machine's platform; linux-arm64
// can also be cross-compiled.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/**
 * Older than the version that Node 20's own binaries need (2.28), so that a system that runs Node also loads
 * the core.
 */
const oldestGlibc = [2, 17] as const;

/**
 * node-gyp-build treats the tag `glibc` as a condition: musl's loader must not get this file. lib/native.ts
 * tries these names first.
 */
const fileNames: Record<string, string> = { linux: 'horoball.glibc.node' };

const here = `${process.platform}-${process.arch}`;
const target = process.argv[2] ?? here;
const [platform = ''] = target.split('-');

function main(): void {
  const work = join(root, 'build', `prebuild-${target}`);
  const options = [
    '-DCMAKE_BUILD_TYPE=Release',
    '-DHOROBALL_PORTABLE=ON',
    '-DHOROBALL_CUDA=OFF',
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(work, 'out')}`,
    ...crossOptions(),
  ];
  rmSync(join(work, 'CMakeCache.txt'), { force: true });
  run('cmake', ['-S', root, '-B', work, ...options]);
  run('cmake', ['--build', work, '--target', 'core', '--config', 'Release', '--parallel']);
  const built = join(work, 'out', 'core.node');
  if (platform === 'linux') checkGlibc(built);
  const folder = join(root, 'prebuilds', target);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, fileNames[platform] ?? 'horoball.node');
  copyFileSync(built, file);
  process.stderr.write(`${file}: ${(statSync(file).size / 1e6).toFixed(1)} MB\n`);
}

function crossOptions(): string[] {
  if (target === here) return [];
  if (target !== 'linux-arm64' || process.platform !== 'linux') {
    fail(`${target} cannot be built on ${here}: run this there (.github/workflows/prebuilds.yml does)`);
  }
  return [
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    '-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++',
  ];
}

/** No symbol may be newer than the oldest glibc that is supported. */
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
  process.stderr.write(`The newest symbol that it needs is ${text}\n`);
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
