// npm run packages [-- --only PLATFORM] [-- --publish]: builds the packages to publish from prebuilds/ and dist/: one
// package per platform with the native core, and `horoball`, which has no binaries and lists the others as optional
// dependencies. Writes build/packages/<name>/ and the tarballs next to it. An incomplete set is rejected; `--only` builds
// some of the packages for tests.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageOf, platforms } from '../platforms.ts';
import { prebuiltName } from './binary-index.ts';
import { binaryFault, packageFaults } from './package-faults.ts';
import { mainPackage, npm, platformPackage } from './package-set.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const out = join(root, 'build/packages');

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const only = args.includes('--only') ? args.slice(args.indexOf('--only') + 1) : undefined;
  const publish = args.includes('--publish');
  if (publish && only !== undefined) fail(['--publish: expected the whole set, got --only']);
  const names = only ?? Object.keys(platforms);
  const faults = names.flatMap(platformFaults);
  if (faults.length > 0) fail(faults);
  rmSync(out, { recursive: true, force: true });
  const folders = names.map((name) => platformPackage(name, prebuilt(name), join(out, `core-${name}`)));
  folders.push(await mainPackage(join(out, 'horoball')));
  const incomplete = packageFaults(folders.at(-1)!);
  if (incomplete.length > 0) fail(incomplete);
  // The main package is published last, so that its dependencies exist by then.
  for (const folder of folders) {
    const [{ filename, size, unpackedSize }] = JSON.parse(
      npm(folder, 'pack', '--json', '--pack-destination', out),
    );
    process.stderr.write(`${filename}: ${megabytes(size)}, installed ${megabytes(unpackedSize)}\n`);
  }
  if (publish) for (const folder of folders) npm(folder, 'publish', '--access', 'public');
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const prebuilt = (name: string): string => join(root, 'prebuilds', name, prebuiltName(name));

function platformFaults(name: string): string[] {
  const platform = platforms[name];
  if (platform === undefined) return [`${name}: expected one of ${Object.keys(platforms).join(', ')}`];
  const file = prebuilt(name);
  if (!existsSync(file)) return [`${packageOf(name)}: ${file} does not exist. Build it: npm run prebuilds`];
  const fault = binaryFault(readFileSync(file), platform);
  return fault === undefined ? [] : [`${packageOf(name)}: ${file} ${fault}`];
}

function fail(faults: readonly string[]): never {
  process.stderr.write(`${faults.join('\n')}\n`);
  process.exit(1);
}

await main();
