// Tests the package as users get it: packed, installed in an empty folder, and used without any tools except Node.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type TestFn } from 'ava';
import { build } from 'esbuild';
import { packageOf, platforms } from '../../lib/platforms.ts';
import { writeRun } from '../embed/network.ts';
import { bareNode, type Installed, install, program, root } from './unpacked.ts';

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
/** The size of horoball.wasm.gz, as the guide says. */
const wasmBytes = 360_000;
const distance = /^1\.09861228866810/;

test('the tarball contains the program, the sources for setup and the documentation, and nothing else', (t) => {
  const { files } = t.context;
  const wanted = ['CMakeLists.txt', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/lib/horoball.js'];
  wanted.push('dist/lib/index.d.ts', 'native/torch/addon.cc', 'native/cmake/FindLibTorch.cmake');
  for (const name of wanted) t.true(files.includes(name), name);
  // The tarball has the files of `horoball bench` and the oracle that it uses, and the results behind the README's figures.
  const measured =
    /^(dist\/bench\/.+\.js|dist\/test\/(oracle|oracle-ops|tolerances|vectors)\.js|bench\/peers\/[^/]+\.(py|sh|txt|json)|bench\/README\.md|bench\/rows\/[^/]+\.csv)$/;
  const strange = files.filter(
    (name) =>
      /(^|\/)(test|build|bench|scripts|node_modules)\/|\.map$|\.ts\.|[^d]\.ts$/.test(name) &&
      !measured.test(name),
  );
  t.deepEqual(strange, []);
});

test('every link in the tarball resolves within it', async (t) => {
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

test('every relative import in the tarball resolves within it', async (t) => {
  const { files, packaged } = t.context;
  const modules = files.filter((name) => name.endsWith('.js'));
  const missing: string[] = [];
  for (const name of modules) {
    const text = await readFile(join(packaged, name), 'utf8');
    for (const [, target = ''] of text.matchAll(/\b(?:from|import) ?\(?['"](\.{1,2}\/[^'"\n]+\.js)['"]/g)) {
      if (!files.includes(join(dirname(name), target))) missing.push(`${name}: ${target}`);
    }
  }
  t.deepEqual(missing, []);
});

test('string literals are not divided, so bundlers find the files that modules refer to by URL', async (t) => {
  const { files, packaged } = t.context;
  const divided: string[] = [];
  const targets = new Map<string, string[]>();
  for (const name of files.filter((each) => /^dist\/.*\.c?js$/.test(each))) {
    const text = await readFile(join(packaged, name), 'utf8');
    if (/(?<!\\)(?:\\\\)*\\\n/.test(text)) divided.push(name);
    if (name === 'dist/lib/errors.js')
      t.true(
        Math.max(...text.split('\n').map(({ length }) => length)) < 300,
        'Node prints the line of an error',
      );
    // The expression with which Vite finds assets and workers.
    const urls = text.matchAll(/\bnew\s+URL\s*\(\s*(['"`])([^'"`]+)\1\s*,\s*import\.meta\.url\s*\)/g);
    targets.set(
      name,
      [...urls].map(([, , target = '']) => posix.join(dirname(name), target)),
    );
  }
  t.deepEqual(divided, []);
  const wasm = 'dist/lib/horoball.wasm.gz';
  t.deepEqual(targets.get('dist/lib/wasm/bundle.js'), [wasm, 'dist/lib/wasm/worker.js']);
  t.deepEqual(targets.get('dist/lib/embed/session.js'), ['dist/lib/embed/worker.js']);
});

test('the package is small, and depends only on one package and that of the platform', async (t) => {
  const { files, packaged } = t.context;
  const counted = files.filter((name) => !name.endsWith('/horoball.wasm.gz')); // present only if it was built
  const sizes = await Promise.all(counted.map(async (name) => (await stat(join(packaged, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  t.log(`${(bytes / 1e6).toFixed(2)} MB`);
  t.true(bytes < 4.75e6, `${bytes} bytes`);
  const guide = await readFile(join(packaged, 'lib/guide/embedding.md'), 'utf8');
  const [, total, own, core] = /takes about (\d+) MB .*\((\d+) MB for `horoball`, (\d+) MB for/.exec(guide)!;
  t.true(Math.abs((bytes + wasmBytes) / 1e6 - Number(own)) < 0.6, `the guide says ${own} MB`);
  t.is(Number(total), Number(own) + Number(core), 'the guide adds the parts');
  const manifest = JSON.parse(await readFile(join(packaged, 'package.json'), 'utf8'));
  t.deepEqual(Object.keys(manifest.dependencies), ['node-gyp-build']);
  t.deepEqual(Object.keys(manifest.optionalDependencies), Object.keys(platforms).map(packageOf));
});

test('the bundled part of zod has every member that the modules use, with the same messages', async (t) => {
  const { files, packaged } = t.context;
  const whole = (await import('zod')).z;
  const { z } = (await import(join(packaged, 'dist/lib/vendor/zod.js'))) as { z: typeof whole };
  const used = new Set<string>();
  for (const name of files.filter((each) => each.startsWith('dist/lib/') && each.endsWith('.js'))) {
    const text = await readFile(join(packaged, name), 'utf8');
    if (!text.includes('vendor/zod.js')) continue;
    for (const [, member = ''] of text.matchAll(/\bz\.(\w+)/g)) used.add(member);
  }
  t.true(used.size > 10);
  t.deepEqual(Object.keys(z).sort(), [...used].sort());
  const issues = ({ string, looseObject, int, enum: oneOf, array, union }: typeof whole) =>
    [string(), looseObject({ a: int().min(1) }), oneOf(['a']), array(string()), union([string(), int()])].map(
      (schema) => schema.safeParse({ a: 0 }).error?.issues,
    );
  t.deepEqual(issues(z), issues(whole));
});

test('the manifest of a binary names the format of its module', async (t) => {
  const manifest = JSON.parse(await readFile(join(t.context.platform, 'package.json'), 'utf8'));
  t.like(manifest, { type: 'commonjs', main: 'index.js' });
});

test('the package has no install scripts', async (t) => {
  const { packaged } = t.context;
  const { default: manifest } = await import(join(packaged, 'package.json'), { with: { type: 'json' } });
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    t.false(name in (manifest.scripts ?? {}));
});

test('the light core works from a module, from CommonJS and in a worker', async (t) => {
  t.regex((await bareNode(t.context, ['--input-type=module', '-e', module])).stdout, distance);
  const worker = `const { Worker } = require('node:worker_threads');
    new Worker(\`import('horoball').then(({ matrix, dist }) => { ${use} console.log(d); })\`, { eval: true });`;
  t.regex((await bareNode(t.context, ['-e', worker])).stdout, distance);
  const common = `const { matrix, dist } = require('horoball'); ${use} console.log(d);`;
  const modules = await bareNode(t.context, ['--input-type=commonjs', '-e', common]);
  t.regex(modules.stdout, distance, modules.stderr);
  const others = `console.log(typeof require('horoball/io').readNpy, typeof require('horoball/embed').loadEmbedder);`;
  t.is((await bareNode(t.context, ['--input-type=commonjs', '-e', others])).stdout, 'function function');
  if (!('require_module' in process.features)) return t.log(`skipped: no require(esm) in ${process.version}`);
  const train = `console.log(typeof require('horoball/train').train);`;
  t.is((await bareNode(t.context, ['--input-type=commonjs', '-e', train])).stdout, 'function');
});

test('TypeScript runs with type stripping, if Node supports it', async (t) => {
  if (!process.allowedNodeEnvironmentFlags.has('--experimental-strip-types')) {
    return t.pass(`skipped: ${process.version} does not strip types`);
  }
  await writeFile(join(t.context.project, 'typed.mts'), `type N = number; ${module}; const n: N = d;`);
  t.regex((await bareNode(t.context, ['--experimental-strip-types', 'typed.mts'])).stdout, distance);
});

test('the types are complete without other packages', async (t) => {
  const { project } = t.context;
  const source = `import {
      contrastiveLoss, type ContrastiveLossName, Gallery, gromovDelta, hybridContrastiveLoss, isHoroballError, matrix, type Matrix, pairwiseDistance, topK,
    } from 'horoball';
    import { type ImageEmbeddings, loadEmbedder } from 'horoball/embed';
    import { EventWriter } from 'horoball/io';
    import { train } from 'horoball/train';
    export const points: Matrix<Float32Array> = matrix(new Float32Array(6), 3, 2);
    export const options: Parameters<typeof train>[0] = { ds: 'folder', ep: 2 };
    export const both: Promise<ImageEmbeddings> = loadEmbedder('x').then((embedder) => embedder.embed(['a.jpg']));
    export const one: Promise<Matrix<Float32Array>> = loadEmbedder('x').then((embedder) =>
      embedder.embed([{ data: new Uint8Array(4), width: 1, height: 1 }], { space: 'ball' }),
    );
    export { EventWriter, Gallery };
    // Types that depend on the options.
    declare const x: Matrix<Float32Array>;
    // @ts-expect-error - the default metric needs c
    pairwiseDistance.sync(x, x, {});
    // @ts-expect-error - so does lorentz
    topK.sync(x, x, { metric: 'lorentz', k: 1 });
    topK.sync(x, x, { metric: 'cosine', k: 1 });
    gromovDelta.sync(x);
    // @ts-expect-error - not the Euclidean default
    gromovDelta.sync(x, { metric: 'poincare' });
    const tied = hybridContrastiveLoss.sync({ euclidean: x, tied: true, views: 2, c: 1 });
    export const rows: number = tied.gradEuclidean.rows + tied.gradParams.c;
    // @ts-expect-error - a tied head has no separate points
    tied.gradHyperbolic.rows;
    const two = hybridContrastiveLoss.sync({ euclidean: x, hyperbolic: x, views: 2, c: 1 });
    export const more: number = two.gradEuclidean.rows + two.gradHyperbolic.rows;
    const value = hybridContrastiveLoss.sync({ euclidean: x, tied: true, views: 2, c: 1, grad: false });
    // @ts-expect-error - no gradients
    value.gradParams;
    declare const loss: ContrastiveLossName;
    const shared = { euclidean: x, labels: [1, 2, 1], geometry: 'euclidean', loss } as const;
    const alone = contrastiveLoss.sync(shared);
    export const anchors: number = alone.gradEuclidean.rows + alone.losses.length;
    // @ts-expect-error - no points
    alone.gradHyperbolic.rows;
    const inBall = contrastiveLoss.sync({ hyperbolic: x, geometry: 'lorentz', c: 1, labels: [1, 2, 1] });
    export const others: number = inBall.gradHyperbolic.rows + inBall.gradParams.c;
    // @ts-expect-error - no gradients
    contrastiveLoss.sync({ ...shared, grad: false }).gradParams;
    contrastiveLoss.sync({ ...shared, loss: 'proxy-anchor', margin: 0.2 });
    // @ts-expect-error - not a parameter of this loss
    contrastiveLoss.sync({ ...shared, loss: 'multi-similarity', margin: 0.2 });
    // @ts-expect-error - nor of the default
    contrastiveLoss.sync({ euclidean: x, labels: [1, 2, 1], geometry: 'euclidean', alpha: 2 });
    // Galleries have the element type of their rows; distances have the type of the queries.
    declare const wide: Matrix<Float64Array>;
    const gallery = new Gallery({ c: 1 });
    export const numbers: Promise<Int32Array> = gallery.add(wide);
    export const far: Float64Array = gallery.topK.sync(wide, { k: 1 }).distances;
    export const near: Promise<Float32Array> = gallery.topK(x, { k: 1 }).then(({ distances }) => distances);
    export const loaded: Promise<Gallery> = Gallery.load('x');
    const doubles = new Gallery<Float64Array>({ c: 1 });
    doubles.add(wide);
    // @ts-expect-error - a float64 gallery rejects float32 queries
    doubles.topK.sync(x, { k: 1 });
    declare const error: unknown;
    if (isHoroballError(error)) {
      check(error.code === 'ERR_HOROBALL_RANGE');
      // @ts-expect-error - not a code
      check(error.code === 'ERR_HOROBALL_RANG');
    }
    declare function check(value: boolean): void;`;
  await writeFile(join(project, 'consumer.mts'), source);
  const compiler = fileURLToPath(import.meta.resolve('typescript/package.json'));
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
  await writeFile(join(project, 'consumer.cts'), source);
  const tsc = [join(dirname(compiler), 'bin', 'tsc'), ...options, 'consumer.mts', 'consumer.cts'];
  const { code, stdout } = await bareNode(t.context, tsc);
  t.is(code, 0, stdout);
});

test('publint and attw find no problem with the formats and types of any entry point', async (t) => {
  const { tarball } = t.context;
  const { bin: publint } = programOf('publint');
  const { bin: attw } = programOf('@arethetypeswrong/cli');
  const lint = await bareNode(t.context, [publint, 'run', tarball, '--strict']);
  t.is(lint.code, 0, lint.stdout);
  const types = await bareNode(t.context, [attw, tarball, '--format', 'ascii', '--no-emoji', '--no-color']);
  t.is(types.code, 0, types.stdout);
});

/** The path of a development dependency's program. */
function programOf(name: string): { bin: string } {
  const folder = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
  };
  return { bin: join(folder, Object.values(bin)[0]!) };
}

test('horoball/train loads without libtorch, and its error says how to install it', async (t) => {
  const code = `import { torchAvailable, torchInfo } from 'horoball/train';
    try { torchInfo() } catch ({ code, message }) { console.log(torchAvailable(), code, message) }`;
  const { stdout } = await bareNode(t.context, ['--input-type=module', '-e', code]);
  t.regex(stdout, /^false ERR_HOROBALL_NO_TRAIN .*Run `npx horoball setup` to find or install libtorch/);
  t.is(stdout.split('\n').length, 1);
});

test('horoball/embed loads without a runtime, and its error says which to install', async (t) => {
  const { project } = t.context;
  await writeRun(join(project, 'run'));
  const code = `import { loadEmbedder } from 'horoball/embed';
    await loadEmbedder('run').catch(({ code, message }) => console.log(code, message));`;
  const { stdout, stderr } = await bareNode(t.context, ['--input-type=module', '-e', code]);
  const message =
    '[loadEmbedder] no ONNX runtime is installed. Run: npm install onnxruntime-node. In a bundle or container, check that its files were copied.';
  t.is(stdout, `ERR_HOROBALL_NO_RUNTIME ${message}`, stderr);
});

test('doctor lists missing parts; setup checks for its tools before downloading anything', async (t) => {
  const began = performance.now();
  const doctor = await bareNode(t.context, [program(t.context), 'doctor', '--json']);
  t.true(performance.now() - began < 15_000, 'does not wait for a missing program');
  t.is(doctor.code, 1);
  const found = JSON.parse(doctor.stdout);
  t.like(found, { core: { ok: true }, addon: { ok: false }, compiler: null, cmake: null });
  const setup = await bareNode(t.context, [program(t.context), 'setup']);
  t.is(setup.code, 1);
  t.regex(setup.stderr, /requires CMake \(.*\) and a C\+\+ compiler \(.*\)\. .*npx horoball setup/);
  t.notRegex(setup.stderr, /Trying/);
  t.deepEqual(await readdir(join(t.context.project, '.cache')).catch(() => []), []);
});

test('without the training layer a command fails in one sentence and leaves no files', async (t) => {
  const { code, stderr } = await bareNode(t.context, [program(t.context), 'train', '--ds=shapes']);
  t.is(code, 1);
  t.regex(
    stderr,
    /^horoball: \[train\] addon: expected the training addon, got none\. Run `npx horoball setup`[^\n]*$/,
  );
  for (const name of ['data', 'runs']) t.false(existsSync(join(t.context.project, name)));
});

test('a bundle finds the package next to it, or the core that HOROBALL_CORE names', async (t) => {
  const { project, packaged, platform } = t.context;
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
  t.regex(
    lost.stderr,
    /Keep horoball out of the bundle \(in Next\.js: serverExternalPackages.*or set HOROBALL_CORE/,
  );
  const core = join(platform, 'core.node');
  t.regex((await bareNode(t.context, [join(away, 'whole.cjs')], { HOROBALL_CORE: core })).stdout, distance);
});

test('without a matching binary, uses the WebAssembly core with a single warning', async (t) => {
  if (!t.context.files.includes('dist/lib/horoball.wasm.gz')) {
    return t.pass('skipped: not built (npm run build:wasm)');
  }
  const here = await install();
  await rm(here.platform, { recursive: true });
  const code = `${module}
    console.log((await dist(x, y, { c: 1 })).data[0]);
    const { createRequire } = await import('node:module');
    createRequire(process.cwd() + '/x.js')('horoball').coreInfo();
    new (await import('node:worker_threads')).Worker("import('horoball').then((h) => h.coreInfo())", { eval: true });`;
  const { stdout, stderr } = await bareNode(here, ['--input-type=module', '-e', code]);
  const lines = stdout.split('\n');
  t.is(lines.length, 2, stderr);
  for (const line of lines) t.regex(line, distance);
  t.regex(
    stderr,
    /HoroballWarning: horoball uses its WebAssembly core, .*\(no binary for .*\). Run `npm install @horoball\/core-/,
  );
  t.is(stderr.match(/HoroballWarning/g)?.length, 1);
  const chosen = await bareNode(here, ['--input-type=module', '-e', module], { HOROBALL_WASM: '1' });
  t.regex(chosen.stdout, distance);
  t.is(chosen.stderr, '');
  await here.remove();
});

test('without a matching binary, setup builds the core, in the cache if the package is read-only', async (t) => {
  const here = await install();
  const { project, packaged, platform } = here;
  const core = join(project, 'core.node');
  await rename(join(platform, 'core.node'), core);
  await rm(platform, { recursive: true });
  await writeFile(join(packaged, 'build'), 'a file, so that this folder cannot be created');
  const before = await bareNode(here, ['--input-type=module', '-e', module], { HOROBALL_WASM: '0' });
  t.regex(before.stderr, /ERR_HOROBALL_NO_BINARY/);
  t.regex(
    before.stderr,
    /\(no binary for .*\)\. Run `npm install @horoball\/core-\S+` .*, or `npx horoball setup` to build it/,
  );

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
  t.regex(setup.stderr, /^horoball: \[setup\] LIBTORCH is set, but it cannot be used/m);
  const after = await bareNode(here, ['--input-type=module', '-e', module]);
  t.regex(after.stdout, distance, after.stderr);
  await rm(join(project, '.cache'), { recursive: true });
  await here.remove();
});

/** Code that defines `size()`, the resident memory in KiB without that of Node's executable, and its first value `before`. */
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

test('the core takes under 1.5 MB of memory, and under 2.5 MB with all its JavaScript', async (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: no smaps here');
  const binary = `process.dlopen({ exports: {} }, ${JSON.stringify(join(t.context.platform, 'core.node'))});`;
  const everything = `(await import('horoball')).coreInfo();`;
  for (const [code, limit] of [
    [binary, 1500],
    [everything, 2500],
  ] as const) {
    const sizes: number[] = [];
    // Takes the smallest of ten runs: V8 allocates pages of 256 KiB, so identical runs differ by a page.
    for (let i = 0; i < 10; ++i) {
      const text = `${size} ${code} gc(); console.log(size() - before);`;
      const { stdout } = await bareNode(t.context, ['--expose-gc', '--input-type=module', '-e', text]);
      sizes.push(Number(stdout));
    }
    t.log(`${sizes} KiB`);
    t.true(Math.min(...sizes) < limit, `${sizes} KiB`);
  }
});
