// `npm run test:runners`: tests the packed tarball in Jest, Vitest and other tools, which it installs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openBrowser } from '../browser.ts';
import { type Installed, install, root } from './unpacked.ts';

const programs = join(root, 'test/package/runners/node_modules');
let installed: Installed;

before(async () => {
  installed = await install();
});
after(async () => {
  await installed.remove();
});

/** Writes files to the project and runs a program there; fails with its output. */
async function works(files: Readonly<Record<string, string>>, script: string, args: readonly string[]) {
  const { project } = installed;
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, name)), { recursive: true });
    await writeFile(join(project, name), text);
  }
  const run = [join(programs, script), ...args];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, run, { cwd: project }).catch(
    (error: { stdout: string; stderr: string }) => {
      throw new Error(`${script} failed:\n${error.stdout}\n${error.stderr}`);
    },
  );
  return stdout + stderr;
}

/** A test for Jest or Vitest: two points of the unit disk are 2 artanh(1/2) apart. */
const expectation = `
  test('distance', async () => {
    const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
    expect((await dist(x, y, { c: 1 })).data[0]).toBeCloseTo(1.0986122886681098, 12);
    expect(typeof loadEmbedder).toBe('function');
    expect(typeof readNpy).toBe('function');
  });`;

test('Jest loads the package with require', async () => {
  const code = `const { dist, matrix } = require('horoball');
    const { loadEmbedder } = require('horoball/embed');
    const { readNpy } = require('horoball/io');${expectation}`;
  await works({ 'jest/distance.test.js': code }, 'jest/bin/jest.js', [
    '--config',
    '{"rootDir":"jest"}',
    '--ci',
  ]);
});

test('Vitest loads the package with import', async () => {
  const code = `import { expect, test } from 'vitest';
    import { dist, matrix } from 'horoball';
    import { loadEmbedder } from 'horoball/embed';
    import { readNpy } from 'horoball/io';${expectation}`;
  const config = `export default { resolve: { alias: { vitest: ${JSON.stringify(join(programs, 'vitest'))} } } };`;
  const files = { 'vitest/distance.test.ts': code, 'vitest/vitest.config.mjs': config };
  await works(files, 'vitest/vitest.mjs', ['run', '--root', 'vitest']);
});

/** A page that writes the core's SIMD level and a distance, computed in a worker, to its title. */
const page = `
  import { coreInfo, dist, matrix, ready } from 'horoball';
  const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
  const compute = async () => {
    await ready();
    return [coreInfo().level, (await dist(x, y, { c: 1 })).data[0]].join();
  };
  compute().then((found) => { document.title = found; }, (error) => { document.title = error.code + error.message; });`;

test('Vite builds a page that runs the WebAssembly core', async (t) => {
  if (!installed.files.includes('dist/lib/horoball.wasm.gz')) return t.skip('not built (npm run build:wasm)');
  const html = '<!doctype html><title></title><script type="module" src="/main.js"></script>';
  const files = { 'vite/index.html': html, 'vite/main.js': page };
  await works(files, 'vite/bin/vite.js', ['build', 'vite', '--base', './']);
  const built = join(installed.project, 'vite/dist');
  const assets = (await readdir(join(built, 'assets'))).map((name) => name.replace(/-[^.]*\./, '.')).sort();
  assert.deepEqual(assets, ['horoball.wasm.gz', 'index.js', 'worker.js']);
  const browser = await openBrowser();
  if (browser === null) return t.diagnostic('not run: no Chromium');
  const server = await serve(built);
  try {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
    await tab.waitForFunction('document.title');
    assert.match(await tab.title(), /^simd128,1\.0986122886681/);
  } finally {
    await browser.close();
    server.close();
  }
});

async function serve(folder: string): Promise<Server> {
  const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(async ({ url = '/' }, response) => {
    const bytes = await readFile(join(folder, url)).catch(() => undefined);
    const type = types[extname(url)] ?? 'application/octet-stream';
    response.writeHead(bytes === undefined ? 404 : 200, { 'content-type': type }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const typed = `
  import { dist, type Matrix, matrix } from 'horoball';
  import { loadEmbedder } from 'horoball/embed';
  import { readNpy } from 'horoball/io';
  const x: Matrix<Float64Array> = matrix(new Float64Array([0, 0]), 1, 2);
  const y: Matrix<Float64Array> = matrix(new Float64Array([0.5, 0]), 1, 2);
  const distance: number = dist.sync(x, y, { c: 1 }).data[0] ?? 0;
  if (Math.abs(distance - 1.0986122886681098) > 1e-12) throw new Error(String(distance));
  export const functions = [loadEmbedder, readNpy];`;

for (const extension of ['cts', 'mts']) {
  test(`tsx runs TypeScript, .${extension}`, async () => {
    await works({ [`typed.${extension}`]: typed }, 'tsx/dist/cli.mjs', [`typed.${extension}`]);
  });
}

const options = ['--noEmit', '--strict', '--esModuleInterop', '--target', 'es2022'];
for (const [module, resolution, file] of [
  ['commonjs', 'node10', 'oldest.ts'],
  ['node16', 'node16', 'oldest.cts'],
  ['node16', 'node16', 'oldest.mts'],
  ['esnext', 'bundler', 'oldest.ts'],
] as const) {
  test(`the oldest supported TypeScript compiles ${file} with --moduleResolution ${resolution}`, async () => {
    const code = `${typed}\nexport { train } from 'horoball/train';`;
    const flags = ['--module', module, '--moduleResolution', resolution];
    await works({ [file]: code }, 'typescript-oldest/bin/tsc', [...options, ...flags, file]);
  });
}
