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

/** Folder in the cache that contains one addon per libtorch and ABI. */
export const cachedAddons = (): string => addonCache(packageVersion);

/** Folders where `setup` may have stored the training addon: that of a checkout, then the cache, most recently used first. */
export function addonFolders(): string[] {
  const cache = cachedAddons();
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('torch-')) : [];
  const age = new Map(names.map((name) => [name, statSync(join(cache, name)).mtimeMs]));
  const cached = names.sort((a, b) => age.get(b)! - age.get(a)!).map((name) => join(cache, name));
  return checkoutAddon === undefined ? cached : [checkoutAddon, ...cached];
}
