import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Folders where `setup` may have stored the training addon, in order of preference. */
export function addonFolders(): string[] {
  return [join(packageRoot, 'native/torch/build/Release'), addonCache(packageVersion)];
}
