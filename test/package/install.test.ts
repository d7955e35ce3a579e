// The package as others get it: packed, installed in an empty folder, used with nothing but Node.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type TestFn } from 'ava';
import { build } from 'esbuild';
import { bareNode, binaryName, type Installed, install, program } from './unpacked.ts';

const test = ava as TestFn<Installed>;

test.before(async (t) => {
  t.context = await install();
});
test.after.always(async (t) => {
  await t.context.remove?.();
});

/** Two points of the unit disk, 2 artanh(1/2) apart. */
const use = `
  const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
  const [d] = dist.sync(x, y, { c: 1 }).data;`;
const module = `import { matrix, dist } from 'horoball'; ${use} console.log(d);`;
const distance = /^1\.09861228866810/;

test('the tarball holds what runs, what setup builds from and its documents, and no more', (t) => {
  const { files } = t.context;
  const wanted = ['CMakeLists.txt', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/lib/horoball.js'];
  wanted.push('dist/lib/index.d.ts', 'native/torch/addon.cc', 'native/cmake/FindLibTorch.cmake');
  for (const name of wanted) t.true(files.includes(name), name);
  // `horoball bench` checks what it measures against the oracle; the README's figures are in the rows.
  const measured =
    /^(dist\/bench\/.+\.js|dist\/test\/(oracle|oracle-ops|vectors)\.js|bench\/peers\/[^/]+\.(py|sh|txt|json)|bench\/rows\/[^/]+\.csv)$/;
  const strange = files.filter(
    (name) =>
      /(^|\/)(test|build|bench|scripts|node_modules)\/|\.map$|\.ts\.|[^d]\.ts$/.test(name) &&
      !measured.test(name),
  );
  t.deepEqual(strange, []);
});

test('every link in the tarball leads to what it holds', async (t) => {
  const { files, packaged } = t.context;
  const pages = files.filter((name) => name.endsWith('.md'));
  t.true(pages.length > 10);
  const broken: string[] = [];
  for (const name of pages) {
    const text = (await readFile(join(packaged, name), 'utf8')).replaceAll(/^```.*?^```/gms, '');
    for (const [, target = ''] of text.matchAll(/\]\(\s*([^)\s#]+)[^)]*\)/g)) {
      const file = join(packaged, dirname(name), target);
      if (!target.startsWith('https://') && !existsSync(file)) broken.push(`${name}: ${target}`);
    }
  }
  t.deepEqual(broken, []);
});

test('nothing runs on installation', async (t) => {
  const { packaged } = t.context;
  const { default: manifest } = await import(join(packaged, 'package.json'), { with: { type: 'json' } });
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) t.false(name in manifest.scripts);
});

test('the light core works from a module, from CommonJS and in a worker', async (t) => {
  t.regex((await bareNode(t.context, ['--input-type=module', '-e', module])).stdout, distance);
  const worker = `const { Worker } = require('node:worker_threads');
    new Worker(\`import('horoball').then(({ matrix, dist }) => { ${use} console.log(d); })\`, { eval: true });`;
  t.regex((await bareNode(t.context, ['-e', worker])).stdout, distance);
  if (!('require_module' in process.features)) return t.log(`skipped: no require(esm) in ${process.version}`);
  const common = `const { matrix, dist } = require('horoball'); ${use} console.log(d);`;
  t.regex((await bareNode(t.context, ['-e', common])).stdout, distance);
});

test('TypeScript runs with its types stripped, where Node can', async (t) => {
  if (!process.allowedNodeEnvironmentFlags.has('--experimental-strip-types')) {
    return t.pass(`skipped: ${process.version} does not strip types`);
  }
  await writeFile(join(t.context.project, 'typed.mts'), `type N = number; ${module}; const n: N = d;`);
  t.regex((await bareNode(t.context, ['--experimental-strip-types', 'typed.mts'])).stdout, distance);
});

test('the types are whole for a program that has no others', async (t) => {
  const { project } = t.context;
  const source = `import { Gallery, matrix, type Matrix } from 'horoball';
    import { EventWriter } from 'horoball/io';
    import { train } from 'horoball/train';
    export const points: Matrix<Float32Array> = matrix(new Float32Array(6), 3, 2);
    export const options: Parameters<typeof train>[0] = { ds: 'folder', ep: 2 };
    export { EventWriter, Gallery };`;
  await writeFile(join(project, 'consumer.mts'), source);
  const compiler = fileURLToPath(import.meta.resolve('typescript/package.json'));
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
  const tsc = [join(dirname(compiler), 'bin', 'tsc'), ...options, 'consumer.mts'];
  const { code, stdout } = await bareNode(t.context, tsc);
  t.is(code, 0, stdout);
});

test('horoball/train loads without libtorch, and says in one sentence how to get it', async (t) => {
  const code = `import { torchAvailable, torchInfo } from 'horoball/train';
    try { torchInfo() } catch ({ code, message }) { console.log(torchAvailable(), code, message) }`;
  const { stdout } = await bareNode(t.context, ['--input-type=module', '-e', code]);
  t.regex(
    stdout,
    /^false ERR_HOROBALL_NO_TRAIN .*run `npx horoball setup`, which finds or installs libtorch/,
  );
  t.is(stdout.split('\n').length, 1);
});

test('doctor names what is missing; setup asks for the tools before it fetches anything', async (t) => {
  const began = performance.now();
  const doctor = await bareNode(t.context, [program(t.context), 'doctor', '--json']);
  t.true(performance.now() - began < 15_000, 'it waits for no program that is not there');
  t.is(doctor.code, 1);
  const found = JSON.parse(doctor.stdout);
  t.like(found, { core: { ok: true }, addon: { ok: false }, compiler: null, cmake: null });
  const setup = await bareNode(t.context, [program(t.context), 'setup']);
  t.is(setup.code, 1);
  t.regex(setup.stderr, /needs cmake and a C\+\+ compiler: .*npx horoball setup/);
  t.notRegex(setup.stderr, /Trying/);
  t.deepEqual(await readdir(join(t.context.project, '.cache')).catch(() => []), []);
});

test('without the training layer a command fails in one sentence and leaves nothing', async (t) => {
  const { code, stderr } = await bareNode(t.context, [program(t.context), 'train', '--ds=shapes']);
  t.is(code, 1);
  t.regex(stderr, /^horoball: the training layer is not set up: run `npx horoball setup`[^\n]*$/);
  for (const name of ['data', 'runs']) t.false(existsSync(join(t.context.project, name)));
});

test('a bundle finds the package beside it, or the core that HOROBALL_CORE names', async (t) => {
  const { project, packaged } = t.context;
  const entry = join(project, 'entry.mjs');
  await writeFile(entry, module);
  const bundled = async (outfile: string, format: 'esm' | 'cjs', external: string[]): Promise<void> => {
    await build({
      entryPoints: [entry],
      outfile,
      format,
      external,
      bundle: true,
      platform: 'node',
      logLevel: 'error',
      logOverride: { 'empty-import-meta': 'silent' },
    });
  };
  await bundled(join(project, 'external.mjs'), 'esm', ['horoball']);
  await bundled(join(project, 'whole.mjs'), 'esm', []);
  await bundled(join(project, 'whole.cjs'), 'cjs', []);
  for (const name of ['external.mjs', 'whole.mjs', 'whole.cjs']) {
    t.regex((await bareNode(t.context, [name])).stdout, distance, name);
  }
  const away = join(packaged, '..', '..', '..', 'away');
  await mkdir(away);
  await bundled(join(away, 'whole.cjs'), 'cjs', []);
  const lost = await bareNode(t.context, [join(away, 'whole.cjs')]);
  t.regex(lost.stderr, /a bundle needs the package horoball beside it, or HOROBALL_CORE/);
  const core = join(packaged, 'prebuilds', `${process.platform}-${process.arch}`, binaryName);
  t.regex((await bareNode(t.context, [join(away, 'whole.cjs')], { HOROBALL_CORE: core })).stdout, distance);
});

test('where no binary fits, setup builds the core; in the cache if the package cannot be written to', async (t) => {
  const here = await install();
  const { project, packaged } = here;
  const core = join(project, 'core.node');
  await rename(join(packaged, 'prebuilds', `${process.platform}-${process.arch}`, binaryName), core);
  await writeFile(join(packaged, 'build'), 'a file, so that nothing can be made in this folder');
  const before = await bareNode(here, ['--input-type=module', '-e', module]);
  t.regex(before.stderr, /ERR_HOROBALL_NO_BINARY/);
  t.regex(before.stderr, /did not load \(no binary for .*\): run `npx horoball setup`, which builds it/);

  const programs = join(project, 'programs');
  await mkdir(programs);
  const cmake = `#!/bin/sh
for option in "$@"; do case "$option" in
  -DCMAKE_LIBRARY_OUTPUT_DIRECTORY=*) /bin/cp ${core} "\${option#*=}/core.node" ;;
esac; done`;
  await writeFile(join(programs, 'cmake'), cmake, { mode: 0o755 });
  await writeFile(join(programs, 'c++'), '#!/bin/sh', { mode: 0o755 });
  const env = { PATH: programs, LIBTORCH: join(project, 'nowhere') };
  const setup = await bareNode(here, [program(here), 'setup'], env);
  t.regex(setup.stderr, /^horoball: LIBTORCH is set, but it cannot be used/m);
  const after = await bareNode(here, ['--input-type=module', '-e', module]);
  t.regex(after.stdout, distance, after.stderr);
  await rm(join(project, '.cache'), { recursive: true });
  await here.remove();
});

/** KiB that the process has in memory, Node's own program apart. */
const size = `import { readFileSync } from 'node:fs';
  const size = () => {
    let [sum, own] = [0, false];
    for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\\n')) {
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) own = line.endsWith(process.execPath);
      else if (!own) sum += Number(/^Rss: +(\\d+)/.exec(line)?.[1] ?? 0);
    }
    return sum;
  };
  size(); gc(); const before = size();`;

test('the core takes under 1.5 MB of memory, with all its JavaScript and the CUDA runtime of a development build 2.5', async (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: no smaps here');
  const binary = `process.dlopen({ exports: {} }, './node_modules/horoball/prebuilds/linux-${process.arch}/${binaryName}');`;
  const everything = `(await import('horoball')).coreInfo();`;
  for (const [code, limit] of [
    [binary, 1500],
    [everything, 2500],
  ] as const) {
    const sizes: number[] = [];
    for (let i = 0; i < 5; ++i) {
      const text = `${size} ${code} gc(); console.log(size() - before);`;
      const { stdout } = await bareNode(t.context, ['--expose-gc', '--input-type=module', '-e', text]);
      sizes.push(Number(stdout));
    }
    t.log(`${sizes} KiB`);
    t.true(Math.min(...sizes) < limit, `${sizes} KiB`);
  }
});
