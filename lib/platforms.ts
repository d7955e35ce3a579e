/** A platform whose native core is published as a package. */
export interface Platform {
  readonly os: 'linux' | 'darwin' | 'win32';
  readonly cpu: 'x64' | 'arm64';
  readonly libc?: 'glibc' | 'musl';
}

/** The platforms with a native core, by the last part of the package's name; others use WebAssembly. */
export const platforms: Readonly<Record<string, Platform>> = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linuxmusl-x64': { os: 'linux', cpu: 'x64', libc: 'musl' },
  'linuxmusl-arm64': { os: 'linux', cpu: 'arm64', libc: 'musl' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'win32-x64': { os: 'win32', cpu: 'x64' },
};

/** Returns the name of the package with the native core of a platform. */
export function packageOf(name: string): string {
  return `@horoball/core-${name}`;
}

/** Returns the packages that may fit an operating system and a processor: on Linux, one per C library. */
export function packagesFor(os: string, cpu: string): string[] {
  return Object.entries(platforms)
    .filter(([, platform]) => platform.os === os && platform.cpu === cpu)
    .map(([name]) => packageOf(name));
}
