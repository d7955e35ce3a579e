import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own folder: the nearest one above this file that has a package.json. */
export const packageRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version;

/** Where libtorch and, if the package's folder is read-only, the addons are kept. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'horoball');
}

/** Folders where `setup` may have put the training addon, the preferred one first. */
export function addonFolders(): string[] {
  const built = `${packageVersion}-${process.platform}-${process.arch}`;
  return [join(packageRoot, 'native/torch/build/Release'), join(cacheFolder(), 'addons', built)];
}
