// The packages that are published: one per platform, and the main one.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageOf, platforms } from '../platforms.ts';
import { minify } from './minify.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  optionalDependencies?: Record<string, string>;
  [key: string]: unknown;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const { version, license } = manifest;

/** Writes the package of one platform with a native core. */
export function platformPackage(name: string, binary: string, folder: string): string {
  const { os, cpu, libc } = platforms[name]!;
  mkdirSync(folder, { recursive: true });
  copyFileSync(binary, join(folder, 'core.node'));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const text = "'use strict';\nmodule.exports = require('node:path').join(__dirname, 'core.node');\n";
  writeFileSync(join(folder, 'index.js'), text);
  const system = libc === undefined ? name : `${os}-${cpu} (${libc})`;
  const readme = `# ${packageOf(name)}\n\nThe native core of [horoball](https://www.npmjs.com/package/horoball) for ${system}.\n\`npm install horoball\` installs it.\n`;
  writeFileSync(join(folder, 'README.md'), readme);
  write(folder, {
    name: packageOf(name),
    version,
    description: `The native core of horoball for ${system}.`,
    license,
    type: 'commonjs',
    main: 'index.js',
    exports: { '.': './index.js', './core.node': './core.node', './package.json': './package.json' },
    files: ['core.node', 'index.js'],
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    engines: manifest['engines'],
    preferUnplugged: true,
  });
  return folder;
}

/**
 * Writes the package `horoball`: the files that `npm pack` would include, without binaries and without fields that only
 * a checkout needs.
 */
export async function mainPackage(folder: string): Promise<string> {
  const [{ files }] = JSON.parse(npm(root, 'pack', '--dry-run', '--ignore-scripts', '--json')) as [
    { files: { path: string }[] },
  ];
  for (const { path } of files) {
    if (path.startsWith('prebuilds/')) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  await minify(folder);
  const { scripts, devDependencies, ava, allowScripts, overrides, files: _, ...published } = manifest;
  const optionalDependencies = Object.fromEntries(
    Object.keys(platforms).map((name) => [packageOf(name), version]),
  );
  write(folder, { ...published, optionalDependencies });
  return folder;
}

function write(folder: string, value: Manifest): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(value, null, 2)}\n`);
}

/** Runs npm and returns its output. */
export function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
}
