// npm run test:asan and npm run test:tsan: builds the core with a sanitizer, and runs tests of the core on this build. A
// finding aborts the process, so the test fails. With --build, it only builds.
//   asan: AddressSanitizer and UndefinedBehaviorSanitizer; all tests of the core at the machine's widest SIMD level, and
//         those of the kernels at every other level
//   tsan: ThreadSanitizer; the tests that use several threads
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { coreInfo } from '../lib/index.ts';
import { coreFolders } from '../lib/tasks/core-folders.ts';
import { addressLibrary, buildWithClang, clangBuild, installedClang } from './clang.ts';

const kernels = [
  'pairwise',
  'pairwise-lorentz',
  'loss',
  'retrieval',
  'delta',
  'ops-reference',
  'contract',
  'rim',
  'metric-slopes',
];

/**
 * Node is not compiled with ThreadSanitizer, which therefore does not see that V8's jobs and Node's message ports are
 * destroyed only after their last use, and that V8 initializes its registry of backing stores once. Frames of V8's
 * platform, of this registry and of messages, and the destruction of libuv's locks, are suppressed: none of them calls
 * our code.
 */
const suppressions = [
  'v8::platform::',
  'v8::internal::*Job::~', // its caller in V8's platform can be missing from the stack
  'v8::internal::GlobalBackingStoreRegistry::',
  'node::worker::Message::',
  'node::worker::MessagePort::PostMessage',
  'uv_rwlock_destroy',
  'uv_mutex_destroy',
  'uv_cond_destroy',
]
  .map((frame) => `race:${frame}\n`)
  .join('');

interface Kind {
  sanitizer: 'address' | 'thread';
  env: NodeJS.ProcessEnv;
  /** Builds the core, and returns the file and the sanitizer's library. */
  build(): Promise<{ core: string; library: string }>;
  /** Test files, and the SIMD levels at which they run; undefined for the widest. */
  runs(levels: readonly string[]): [tests: string[], level?: string][];
}

const stdio = 'inherit';

/** Builds the core with the default compiler. */
function buildDefault(
  sanitizer: Kind['sanitizer'],
  target: 'emulated' | 'core',
  library: string,
  ...options: readonly string[]
): { core: string; library: string } {
  const build = join('build', sanitizer);
  const configured = [`-DHOROBALL_SANITIZE=${sanitizer}`, '-DHOROBALL_CUDA=OFF', ...options];
  execFileSync('cmake', ['-S', '.', '-B', build, ...configured], { stdio });
  execFileSync('cmake', ['--build', build, '--target', target, '--parallel', '2'], { stdio });
  const file = execFileSync('c++', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim();
  return { core: join(build, target === 'emulated' ? target : '', 'core.node'), library: file };
}

/** Builds the core with clang if it is installed, because clang compiles the kernels in less than half of GCC's time. */
async function buildAddress(): Promise<{ core: string; library: string }> {
  const compiler = await installedClang();
  const library = compiler && (await addressLibrary(compiler));
  if (!library) return buildDefault('address', 'emulated', 'libasan.so');
  // With --build also the fuzzer, which shares objects with the core.
  buildWithClang(compiler, 'emulated', ...(isBuildOnly ? (['fuzz'] as const) : []));
  return { core: join(clangBuild, 'emulated', 'core.node'), library };
}

/**
 * Tests of the core, without those that measure time or memory, because AddressSanitizer slows calls and delays freeing, and
 * without those that check only texts.
 */
const all = [
  'dist/test/!(bench|event-loop|examples|guide|import-rules|memory|process|security|sources|wrong-arguments).test.js',
  `dist/test/{${['layers', ...coreFolders].join(',')}}/*.test.js`,
  'dist/test/image/resample.test.js',
];
const folder = resolve('build', 'sanitize');
const kinds: Readonly<Record<string, Kind>> = {
  asan: {
    sanitizer: 'address',
    // an allocation that is too large must fail, as without the sanitizer
    env: { ASAN_OPTIONS: 'detect_leaks=0 allocator_may_return_null=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
    build: buildAddress,
    runs: (levels) => [
      [[...all, 'dist/test/gpu/*.test.js']],
      ...levels
        .slice(0, -1)
        .map((level): [string[], string] => [kernels.map((name) => `dist/test/${name}.test.js`), level]),
    ],
  },
  tsan: {
    sanitizer: 'thread',
    env: { TSAN_OPTIONS: `halt_on_error=1 exitcode=66 suppressions=${join(folder, 'suppressions')}` },
    // threads share work at every SIMD level in the same way
    build: async () => buildDefault('thread', 'core', 'libtsan.so', '-DHOROBALL_BASELINE_ONLY=ON'),
    runs: () => [
      [
        ['threads', 'call/run', 'concurrency', 'gallery/gallery', 'transferred'].map(
          (name) => `dist/test/${name}.test.js`,
        ),
      ],
    ],
  },
};

const [name = '', only] = process.argv.slice(2);
const isBuildOnly = only === '--build';
const { sanitizer, env, build, runs } = kinds[name]!;
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'suppressions'), suppressions);
const { core, library } = await build();
const ava = join('node_modules', 'ava', 'entrypoints', 'cli.mjs');
let failed = false;
for (const [tests, level] of isBuildOnly ? [] : runs(coreInfo().levels)) {
  // Disables address randomization, because ThreadSanitizer's runtime may not support its range.
  const command = ['-R', process.execPath, ava, '--no-worker-threads', '--timeout=20m', ...tests];
  const { status, signal } = spawnSync('setarch', command, {
    stdio,
    env: {
      ...process.env,
      ...env,
      ...(level && { HOROBALL_ISA: level }),
      LD_PRELOAD: library,
      HOROBALL_CORE: resolve(core),
      HOROBALL_SANITIZER: sanitizer,
    },
  });
  if (status === 0) continue;
  failed = true;
  process.stderr.write(`${name} at ${level ?? 'the widest level'}: ${signal ?? status}\n`);
}
if (failed) process.exitCode = 1;
