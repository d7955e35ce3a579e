// Finds faults of a package before it is published, such as a missing file or a binary for another system.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Platform, packageOf, platforms } from '../platforms.ts';
import { continuation } from './minify.ts';

/** The first bytes of a binary per system, in hexadecimal. */
const magic: Readonly<Record<Platform['os'], string>> = {
  linux: '7f454c46',
  darwin: 'cffaedfe',
  win32: '4d5a',
};
/** The processor's number in ELF, Mach-O and PE headers. */
const machine: Readonly<Record<Platform['os'], Readonly<Record<Platform['cpu'], number>>>> = {
  linux: { x64: 62, arm64: 183 },
  darwin: { x64: 0x01000007, arm64: 0x0100000c },
  win32: { x64: 0x8664, arm64: 0xaa64 },
};

/** Returns the reason why a file is not an addon for a platform; undefined if it is. */
export function binaryFault(bytes: Buffer, { os, cpu, libc }: Platform): string | undefined {
  const system = `${os}-${cpu}`;
  if (bytes.length < 1024 || !bytes.toString('hex', 0, 8).startsWith(magic[os]))
    return `is not a binary for ${system}`;
  if (machineOf(bytes, os) !== machine[os][cpu]) return `is for a different processor than ${cpu}`;
  if (!bytes.includes('napi_register_module_v1')) return 'is not a Node-API addon';
  if (libc === 'glibc' && !bytes.includes('GLIBC_2.')) return 'is not linked with glibc';
  if (libc === 'musl' && bytes.includes('GLIBC_2.')) return 'is linked with glibc, not musl';
  return undefined;
}

function machineOf(bytes: Buffer, os: Platform['os']): number {
  if (os === 'linux') return bytes.readUInt16LE(18);
  if (os === 'darwin') return bytes.readUInt32LE(4);
  const header = bytes.readUInt32LE(0x3c);
  return header + 6 <= bytes.length ? bytes.readUInt16LE(header + 4) : 0;
}

interface Published {
  version: string;
  exports: object;
  bin: Record<string, string>;
  main: string;
  types: string;
  optionalDependencies?: Record<string, string>;
}

/** Returns the faults of the main package in a folder. */
export function packageFaults(folder: string): string[] {
  const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Published;
  const named = [...targets(found.exports), ...Object.values(found.bin), found.main, found.types];
  const wanted = [
    'dist/lib/horoball.wasm.gz',
    'dist/lib/wasm/worker.js',
    'dist/lib/binary/index.js',
    'dist/lib/binary/runtimes.js',
  ];
  const needed = ['CMakeLists.txt', 'native/core.h', 'dist/lib/headers/napi.h', 'README.md', 'LICENSE'];
  const faults = [...named, ...wanted, ...needed]
    .filter((file) => !existsSync(join(folder, file)))
    .map((file) => `horoball: ${file} is missing`);
  for (const name of Object.keys(platforms).map(packageOf)) {
    if (found.optionalDependencies?.[name] !== found.version)
      faults.push(`horoball: optionalDependencies: expected ${name} ${found.version}`);
  }
  for (const file of readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' }))
    if (/\.c?js$/.test(file) && readFileSync(join(folder, 'dist', file), 'utf8').search(continuation) >= 0)
      faults.push(`horoball: dist/${file} continues a string literal on the next line`);
  const lib = join(folder, 'dist/lib');
  for (const file of readdirSync(lib, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js') || file.startsWith('vendor/')) continue;
    const bare = /^import [^;]*from '(zod|commander|yauzl)'/m.exec(readFileSync(join(lib, file), 'utf8'));
    if (bare !== null) faults.push(`horoball: dist/lib/${file} imports ${bare[1]}. Run npm run build:js`);
  }
  return faults;
}

/** Returns the files that `exports` names. */
function targets(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(value as object).flatMap(targets);
}
