/** Downloads pinned packages with the user's npm and its registry, cache, proxy and credentials. */
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { coded } from '../../../errors.ts';
import { readRecordFile } from '../../../io/record-file.ts';
import { lastWords, run } from '../../../setup/command.ts';
import type { Pinned } from './packages.ts';

const offlineAdvice = 'or pass --from with a folder that contains the packages';

/**
 * Installs packages into `folder`/node_modules without running their scripts. npm verifies each tarball against its pinned
 * hash, which is passed in a lock file.
 *
 * @param folder - an empty folder
 * @throws `ERR_HOROBALL_DOWNLOAD` if npm is missing or fails; the signal's reason if it is aborted
 */
export async function fetchPackages(
  folder: string,
  packages: readonly Pinned[],
  signal?: AbortSignal,
): Promise<void> {
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ private: true, ...wanted(packages) }));
  await writeFile(path.join(folder, 'package-lock.json'), JSON.stringify(lockFile(packages)));
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress'];
  const windows = process.platform === 'win32';
  const outcome = windows
    ? await run('cmd.exe', ['/d', '/s', '/c', 'npm', ...args], { cwd: folder, signal })
    : await run('npm', args, { cwd: folder, signal });
  signal?.throwIfAborted();
  if (outcome.code === 0) return;
  const message = outcome.stderr.includes('EINTEGRITY')
    ? 'expected packages with the pinned hashes, got a different one from npm. Clear the cache of npm (npm cache clean --force) and try again'
    : `expected npm to download the packages, but it failed (${lastWords(outcome)}). Check the network`;
  throw coded('ERR_HOROBALL_DOWNLOAD', `[data emoji] packages: ${message}, ${offlineAdvice}.`);
}

/** Returns the folder and the version of an installed package. `root` is the folder of a project or its node_modules. */
export async function locatePackage(
  root: string,
  { name, version }: Pinned,
): Promise<{ folder: string; version: string }> {
  for (const folder of [path.join(root, 'node_modules', name), path.join(root, name)]) {
    const file = path.join(folder, 'package.json');
    if (await exists(file)) return { folder, version: await versionIn(file) };
  }
  const message = `[data emoji] --from: expected a folder that contains the package ${name}, got ${root}. Run npm install ${name}@${version} there.`;
  throw coded('ERR_HOROBALL_DATA_READ', message);
}

const manifestSchema = z.looseObject({ version: z.string() });

async function versionIn(file: string): Promise<string> {
  return manifestSchema.safeParse(await readRecordFile(file)).data?.version ?? 'unknown';
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

function wanted(packages: readonly Pinned[]): { dependencies: Record<string, string> } {
  return { dependencies: Object.fromEntries(packages.map(({ name, version }) => [name, version])) };
}

function lockFile(packages: readonly Pinned[]): object {
  const installed = packages.map(({ name, version, integrity }) => [
    `node_modules/${name}`,
    { version, integrity },
  ]);
  return {
    lockfileVersion: 3,
    requires: true,
    packages: { '': wanted(packages), ...Object.fromEntries(installed) },
  };
}
