// File tracers copy the files that a deployment needs. Next.js with `output: 'standalone'` and bundlers for AWS Lambda use
// the one tested here.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { nodeFileTrace } from '@vercel/nft';
import ava, { type TestFn } from 'ava';
import { writeRun } from '../embed/network.ts';
import { type Installed, install, root } from './unpacked.ts';

const test = ava as TestFn<Installed>;

test.before(async (t) => {
  t.context = await install();
  const { project } = t.context;
  const packages = join(root, 'node_modules');
  const binaries = join(packages, 'onnxruntime-node/bin/napi-v6');
  const here = join(binaries, process.platform, process.arch);
  // Skips the binaries of other platforms, which take 200 MB.
  const filter = (file: string): boolean =>
    !file.startsWith(binaries) || file.startsWith(here) || here.startsWith(file);
  for (const name of ['onnxruntime-node', 'onnxruntime-common', 'adm-zip', 'global-agent'])
    if (existsSync(join(packages, name)))
      await cp(join(packages, name), join(project, 'node_modules', name), { recursive: true, filter });
  await writeRun(join(project, 'run'));
});
test.after.always(async (t) => {
  await t.context.remove?.();
});

const distance = `
  const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
  dist(x, y, { c: 1 }).then(({ data }) => console.log(data[0], coreInfo().level));`;
const distanceOf = /^1\.0986122886681\d* (?!simd128)\w+$/;
/** Code that embeds an image: the core resamples it, and the network runs on another thread. */
const embed = `
  loadEmbedder('run').then(async (embedder) => {
    const image = { data: new Uint8Array(20 * 30 * 4).fill(90), width: 20, height: 30 };
    const { data } = await embedder.embed([image], { space: 'ball' });
    console.log(data.length, embedder.runtime);
    await embedder.dispose();
  });`;
const embedded = /^6 onnxruntime-node$/;

interface Program {
  readonly text: string;
  readonly printed: RegExp;
  /** Which optional files are traced: the native core, the ONNX runtime. If undefined, the core may be traced or not. */
  readonly uses: readonly ('core' | 'runtime')[] | undefined;
}

/** A program per entry point and format, which imports no other entry point. */
const programs: Readonly<Record<string, Program>> = {
  'app.mjs': {
    text: `import { coreInfo, dist, matrix } from 'horoball';${distance}`,
    printed: distanceOf,
    uses: ['core'],
  },
  'app.cjs': {
    text: `const { coreInfo, dist, matrix } = require('horoball');${distance}`,
    printed: distanceOf,
    uses: ['core'],
  },
  'embed.mjs': {
    text: `import { loadEmbedder } from 'horoball/embed';${embed}`,
    printed: embedded,
    uses: ['core', 'runtime'],
  },
  'embed.cjs': {
    text: `const { loadEmbedder } = require('horoball/embed');${embed}`,
    printed: embedded,
    uses: ['core', 'runtime'],
  },
  'io.mjs': {
    text: `import { readNpy } from 'horoball/io'; console.log(typeof readNpy);`,
    printed: /^function$/,
    uses: undefined,
  },
  'io.cjs': {
    text: `const { readNpy } = require('horoball/io'); console.log(typeof readNpy);`,
    printed: /^function$/,
    uses: undefined,
  },
  'train.mjs': {
    text: `import { torchAvailable } from 'horoball/train'; console.log(torchAvailable());`,
    printed: /^false$/,
    uses: ['core'],
  },
};

test('the library of the runtime is named by path', (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: names a file of Linux');
  const { packaged, project } = t.context;
  const require = createRequire(join(project, 'index.js'));
  const { libraries } = require(join(packaged, 'dist/lib/binary/runtimes.js')) as { libraries: string[] };
  t.true(libraries.some(existsSync), libraries.join('\n'));
});

for (const [name, { text, printed, uses }] of Object.entries(programs)) {
  test(`files traced from ${name} run in another folder, with the native core`, async (t) => {
    const { project, platform } = t.context;
    await writeFile(join(project, name), text);
    const { fileList } = await nodeFileTrace([join(project, name)], { base: project });
    const files = [...fileList];
    const core = join(platform, 'core.node').slice(project.length + 1);
    const runtime = files.some((file) => file.endsWith('onnxruntime_binding.node'));
    if (uses !== undefined) t.is(files.includes(core), uses.includes('core'), files.join('\n'));
    t.is(runtime, uses?.includes('runtime') === true, files.join('\n'));
    const deployed = join(project, '..', `deployed-${name}`);
    for (const file of files) {
      await mkdir(dirname(join(deployed, file)), { recursive: true });
      await cp(join(project, file), join(deployed, file), { dereference: true });
    }
    await cp(join(project, 'run'), join(deployed, 'run'), { recursive: true });
    const run = async (): Promise<string> => {
      const { stdout } = await promisify(execFile)(process.execPath, [name], {
        cwd: deployed,
        env: { PATH: '', HOME: deployed },
      });
      return stdout.trim();
    };
    t.regex(await run(), printed);
    if (printed !== distanceOf || !t.context.files.includes('dist/lib/horoball.wasm.gz')) return;
    await rm(join(deployed, core));
    t.regex(await run(), /^1\.0986122886681\d* simd128$/, 'the WebAssembly core is traced too');
  });
}
