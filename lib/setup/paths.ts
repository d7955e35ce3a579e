import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { addonCache } from '../places.ts';

export { cacheFolder } from '../places.ts';

/** The package's own folder: the nearest one above this file that has a package.json. */
export const packageRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version;

/** Folders where `setup` may have put the training addon, the preferred one first. */
export function addonFolders(): string[] {
  return [join(packageRoot, 'native/torch/build/Release'), addonCache(packageVersion)];
}
