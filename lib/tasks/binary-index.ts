// Writes dist/lib/binary/index.js, which contains the path of every file of the core as a literal, and
// dist/lib/binary/runtimes.js, which contains the names of the ONNX runtimes: file tracers (@vercel/nft) and bundlers find
// only literals. Both files are CommonJS, because the core is loaded synchronously and `import()` is asynchronous.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimes } from '../embed/session.ts';
import { packageOf, platforms } from '../platforms.ts';

/** Returns the name of the binary in prebuilds/<platform>/, with the tags that node-gyp-build reads. */
export function prebuiltName(name: string): string {
  const { libc } = platforms[name]!;
  return libc === undefined ? 'horoball.node' : `horoball.${libc}.node`;
}

export async function writeBinaryIndex(lib: string): Promise<void> {
  const folder = join(lib, 'binary');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  await writeFile(join(folder, 'index.js'), text());
  await writeFile(join(folder, 'runtimes.js'), resolvers());
}

/** Returns the text of runtimes.js. The file is separate, so that only programs with `horoball/embed` include a runtime. */
function resolvers(): string {
  const cases = runtimes.map(
    (name) => `  '${name}': () => {\n    try { return require.resolve('${name}'); } catch {}\n  },`,
  );
  const libraries = ['napi-v6', 'napi-v3'].map(
    (abi) =>
      `  join(__dirname, \`../../../../onnxruntime-node/bin/${abi}/\${process.platform}/\${process.arch}/libonnxruntime.so.1\`),`,
  );
  const web = ['mjs', 'wasm'].map(
    (extension) =>
      `  () => {\n    try { return require.resolve('onnxruntime-web/ort-wasm-simd-threaded.${extension}'); } catch {}\n  },`,
  );
  return `'use strict';
const { join } = require('node:path');
// The optional ONNX runtimes, as literals in \`try\`, so that file tracers find an installed one and bundlers do not fail
// if none is installed.
exports.runtimes = {
${cases.join('\n')}
};
// The library next to the binding of onnxruntime-node, which loads it. Turbopack copies it only if a path names it.
exports.libraries = [
${libraries.join('\n')}
];
// The files that onnxruntime-web loads by computed names.
exports.web = [
${web.join('\n')}
];
`;
}

function text(): string {
  const names = Object.entries(platforms);
  const systems = new Set(names.map(([, { os, cpu }]) => `${os}-${cpu}`));
  const cases = [...systems].map((system) => {
    const fit = names.filter(([, { os, cpu }]) => `${os}-${cpu}` === system);
    const found = fit.map(([name]) => `      try { yield require('${packageOf(name)}'); } catch {}`);
    return `    case '${system}':\n${found.join('\n')}\n      break;`;
  });
  // At most one of these prebuilt files exists on a machine; on Linux, the one for glibc.
  const prebuilt = ['horoball.glibc.node', 'horoball.node'].map(
    (file) => `  join(__dirname, \`../../../prebuilds/\${process.platform}-\${process.arch}/${file}\`),`,
  );
  return `'use strict';
// The paths of the core's files, as literals, so that file tracers and bundlers find the files.
const { join } = require('node:path');

exports.own = [
  join(__dirname, '../../../build/Release/core.node'),
  join(__dirname, '../../../build/Debug/core.node'),
${prebuilt.join('\n')}
];
exports.wasm = join(__dirname, '../horoball.wasm.gz');
exports.worker = join(__dirname, '../wasm/worker.js');
exports.tree = join(__dirname, '../tree/worker.js');
exports.packaged = function* () {
  switch (\`\${process.platform}-\${process.arch}\`) {
${cases.join('\n')}
  }
};
`;
}
