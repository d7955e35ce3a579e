// Node's own modules are taken where they are needed: imported, each would cost a program 0.3 to 2 ms.

/** Where libtorch and, if the package's folder is read-only, the addons are kept. */
export function cacheFolder(): string {
  const { join } = process.getBuiltinModule('node:path');
  const base = process.env['XDG_CACHE_HOME'];
  const { homedir } = process.getBuiltinModule('node:os');
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'horoball');
}

/** The folder in the cache for addons that `setup` builds for a version of this package on this kind of machine. */
export function addonCache(version: string): string {
  const { join } = process.getBuiltinModule('node:path');
  return join(cacheFolder(), 'addons', `${version}-${process.platform}-${process.arch}`);
}
