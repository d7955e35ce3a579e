// Node's built-in modules are loaded lazily: importing one takes 0.3 to 2 ms.

/** Returns horoball's cache folder, which contains libtorch, built addons and downloaded weights. */
export function cacheFolder(): string {
  const { join } = process.getBuiltinModule('node:path');
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(home(), '.cache') : base, 'horoball');
}

/**
 * Returns the home folder; `/` if the user has neither HOME nor an entry in the user database, as in some containers.
 * In `/`, no cache is found and writing fails with an error. A shared folder such as /tmp could contain another user's
 * libtorch.
 */
function home(): string {
  try {
    return process.getBuiltinModule('node:os').homedir();
  } catch {
    return '/';
  }
}

/** Returns the cache folder of the addons that `setup` builds for a package version and this platform. */
export function addonCache(version: string): string {
  const { join } = process.getBuiltinModule('node:path');
  return join(cacheFolder(), 'addons', `${version}-${process.platform}-${process.arch}`);
}
