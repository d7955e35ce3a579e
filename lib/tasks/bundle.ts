// Writes the entry points that tsc does not write. The modules that `import 'horoball'` needs become one file,
// dist/lib/horoball.js: finding and compiling thirty small modules takes 36 ms, one module takes 5 ms. It is in the folder
// of the modules, so that their relative paths to the package's root stay valid. For `require`, each entry point has a
// .cjs file, and its declarations as .d.cts. Browsers get dist/lib/wasm/bundle.js, which has the WebAssembly core only. In
// a package, imports from small packages are bundled too (vendor.ts), so that users need not install them.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { writeBinaryIndex } from './binary-index.ts';
import { copyHeaders, vendored } from './vendor.ts';

const lib = fileURLToPath(new URL('../', import.meta.url));

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  // Keeps line breaks: before the message of an uncaught error, Node prints the source line that threw it. Keeps
  // identifiers: shortened ones would need a call per function to restore its name, and more memory than they save.
  minifySyntax: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** Returns the options for CommonJS: replaces `import.meta.url`, and imports binary/*.js with a literal `require`. */
function inCommonJs(toLib: string): BuildOptions {
  const index: Plugin = {
    name: 'index of binaries',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /binary\/(index|runtimes)\.js$/ }, ({ path }) => ({
        path: `${toLib}binary/${basename(path)}`,
        external: true,
      }));
      onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
        kind === 'entry-point' || vendored.includes(path) ? undefined : { path, external: true },
      );
      onLoad({ filter: /lib\/binary-files\.js$/ }, () => ({
        contents: "export const binaryFiles = () => require('./binary/index.js');",
      }));
      // Replaces the worker's URL with a path, because file tracers cannot evaluate a URL relative to `ownUrl`.
      onLoad({ filter: /lib\/embed\/session\.js$/ }, async ({ path }) => ({
        contents: replaceOnce(
          await readFile(path, 'utf8'),
          "new URL('./worker.js', import.meta.url)",
          "__dirname + '/worker.js'",
        ),
      }));
      onLoad({ filter: /lib\/embed\/runtime-files\.js$/ }, () => ({
        contents: "export const runtimeFile = (name) => require('./binary/runtimes.js').runtimes[name]();",
      }));
    },
  };
  return {
    ...common,
    format: 'cjs',
    plugins: [index],
    banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'ownUrl' },
  };
}
function replaceOnce(text: string, from: string, to: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`expected ${from} once, got it ${parts.length - 1} times`);
  return parts.join(to);
}

/** Not bundled: this module reads runs and weights, which a program that serves an exported network does not need. */
const external = [join(lib, 'onnx/source.js')];

/** Browser replacements for the modules that use Node. */
const replaced: Readonly<Record<string, string>> = {
  'native.js': 'browser.js',
  'tree/threads.js': 'tree.js',
  'io/safetensors.js': 'no-files.js',
};
const forBrowsers: Plugin = {
  name: 'browser',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const to = replaced[relative(lib, join(resolveDir, path))];
      return to === undefined ? undefined : { path: join(lib, 'wasm', to) };
    });
  },
};

const bundles: Readonly<Record<string, BuildOptions>> = {
  'horoball.js': {
    ...common,
    format: 'esm',
    external: ['./binary-files.js'],
    entryPoints: [join(lib, 'index.js')],
  },
  'wasm/bundle.js': {
    ...common,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    plugins: [forBrowsers],
    entryPoints: [join(lib, 'index.js')],
  },
  'horoball.cjs': { ...inCommonJs('./'), entryPoints: [join(lib, 'index.js')] },
  'embed/index.cjs': { ...inCommonJs('../'), external, entryPoints: [join(lib, 'embed/index.js')] },
  'io/index.cjs': { ...inCommonJs('../'), entryPoints: [join(lib, 'io/index.js')] },
};
await copyHeaders(join(lib, 'headers'));
await writeBinaryIndex(lib);
for (const [name, options] of Object.entries(bundles)) {
  await rm(join(lib, name), { force: true });
  await build({ ...options, outfile: join(lib, name) });
}

// The training layer loads an addon, starts programs and reads its own files: it stays in separate modules, which
// CommonJS can require from Node 20.19 and 22.12 on.
await writeFile(join(lib, 'train/index.cjs'), "module.exports = require('./index.js');\n");

/** Copies a declaration file and its imports to .d.cts, so that TypeScript treats them as CommonJS. */
async function declare(file: string, done: Set<string>): Promise<void> {
  if (done.has(file)) return;
  done.add(file);
  const text = await readFile(`${file}.d.ts`, 'utf8');
  const named: string[] = [];
  const renamed = text.replaceAll(/(\bfrom |\bimport\(|\bimport )'(\.[^']+)\.[jt]s'/g, (_, before, path) => {
    named.push(join(dirname(file), path));
    return `${before}'${path}.cjs'`;
  });
  await writeFile(`${file}.d.cts`, renamed);
  for (const each of named) await declare(each, done);
}

const declared = new Set<string>();
for (const entry of ['index', 'embed/index', 'io/index', 'train/index'])
  await declare(join(lib, entry), declared);
