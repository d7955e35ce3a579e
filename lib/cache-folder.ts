// Node's built-in modules are loaded lazily: importing each would cost a program 0.3 to 2 ms.

/** Cache folder of libtorch and, if the package's folder is read-only, of the addons. */
export function cacheFolder(): string {
  const { join } = process.getBuiltinModule('node:path');
  const base = process.env['XDG_CACHE_HOME'];
  const { homedir } = process.getBuiltinModule('node:os');
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'horoball');
}

/** Cache folder of addons that `setup` builds, per package version and platform. */
export function addonCache(version: string): string {
  const { join } = process.getBuiltinModule('node:path');
  return join(cacheFolder(), 'addons', `${version}-${process.platform}-${process.arch}`);
}
