import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

import { addonCache } from '../cache-folder.ts';

export { cacheFolder } from '../cache-folder.ts';

/** The package's own folder: the nearest parent folder of this file that has a package.json. */
export const packageRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version;

/** Whether the package is a dependency: `npm ci` then removes everything that is built in its folder. */
const installed = packageRoot.split(sep).includes('node_modules');

/** Folder of a checkout's training addon; undefined if the package is a dependency. */
export const checkoutAddon: string | undefined = installed
  ? undefined
  : join(packageRoot, 'native/torch/build/Release');

/** Folder in the cache that contains one addon per libtorch version and fingerprint. */
export const cachedAddons = (): string => addonCache(packageVersion);

/** Returns the folders that may contain the training addon: the checkout's, then those in the cache, latest use first. */
export function addonFolders(): string[] {
  const cache = cachedAddons();
  const names = namesIn(cache).filter((name) => name.startsWith('torch-'));
  const used = new Map(names.map((name) => [name, lastUse(join(cache, name))]));
  const cached = names.sort((a, b) => used.get(b)! - used.get(a)!).map((name) => join(cache, name));
  return checkoutAddon === undefined ? cached : [checkoutAddon, ...cached];
}

/** Returns the names in a folder. If it is missing or cannot be read, returns none: an addon may be elsewhere. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Returns the modification time; 0 for a broken link, or for a folder that another process has just removed. */
function lastUse(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
