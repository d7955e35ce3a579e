// Writes dist/lib/binary/index.js, which names every file of the core literally: file tracers (@vercel/nft) and bundlers find
// only such names. It is CommonJS because a module cannot wait for `import` to load the core.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageOf, platforms } from '../platforms.ts';

/** The name of the binary in prebuilds/<platform>/, whose tags node-gyp-build reads. */
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
// Where the files of the core are. Every name is literal, so that file tracers and bundlers find the files.
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
