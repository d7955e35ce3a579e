// Writes dist/lib/binary/index.js, which contains the path of every file of the core as a literal: file tracers
// (@vercel/nft) and bundlers find only literals. It is CommonJS because the core is loaded synchronously, but
// `import()` is asynchronous.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
