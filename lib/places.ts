import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where libtorch and, if the package's folder is read-only, the addons are kept. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'horoball');
}

/** The folder in the cache for addons that `setup` builds for a version of this package on this kind of machine. */
export function addonCache(version: string): string {
  return join(cacheFolder(), 'addons', `${version}-${process.platform}-${process.arch}`);
}
