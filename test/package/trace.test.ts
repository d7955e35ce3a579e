// File tracers copy the files that a deployment needs. Next.js with `output: 'standalone'` and bundlers for AWS Lambda use
// the one tested here.
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { nodeFileTrace } from '@vercel/nft';
import ava, { type TestFn } from 'ava';
import { type Installed, install } from './unpacked.ts';

const test = ava as TestFn<Installed>;

test.before(async (t) => {
  t.context = await install();
});
test.after.always(async (t) => {
  await t.context.remove?.();
});

const distance = `
  const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
  dist(x, y, { c: 1 }).then(({ data }) => console.log(data[0], coreInfo().level));`;

const entries = {
  'app.mjs': `import { coreInfo, dist, matrix } from 'horoball';${distance}`,
  'app.cjs': `const { coreInfo, dist, matrix } = require('horoball');${distance}`,
  'embed.mjs': `import { loadEmbedder } from 'horoball/embed';
    import { readNpy } from 'horoball/io';
    import { coreInfo, dist, matrix } from 'horoball';${distance} if (!loadEmbedder || !readNpy) throw 0;`,
  'embed.cjs': `const { loadEmbedder } = require('horoball/embed');
    const { coreInfo, dist, matrix } = require('horoball');${distance}`,
} as const;

for (const [name, text] of Object.entries(entries)) {
  test(`files traced from ${name} run in another folder, with the native core`, async (t) => {
    const { project, platform } = t.context;
    await writeFile(join(project, name), text);
    const { fileList } = await nodeFileTrace([join(project, name)], { base: project });
    const files = [...fileList];
    const core = join(platform, 'core.node').slice(project.length + 1);
    t.true(files.includes(core), files.join('\n'));
    const deployed = join(project, '..', `deployed-${name}`);
    for (const file of files) {
      await mkdir(dirname(join(deployed, file)), { recursive: true });
      await cp(join(project, file), join(deployed, file), { dereference: true });
    }
    const run = async (): Promise<string> =>
      (await promisify(execFile)(process.execPath, [name], { cwd: deployed })).stdout.trim();
    t.regex(await run(), /^1\.0986122886681\d* (?!simd128)\w+$/);
    if (!t.context.files.includes('dist/lib/horoball.wasm.gz')) return;
    await rm(join(deployed, core));
    t.regex(await run(), /^1\.0986122886681\d* simd128$/, 'the WebAssembly core is traced too');
  });
}
