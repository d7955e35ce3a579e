import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Extension of shared libraries on this platform. */
export const librarySuffix: string = process.platform === 'darwin' ? '.dylib' : '.so';

/** Returns the paths of libtorch's own libraries in dependency order; those for CUDA only if they exist. */
export function libraryFiles(lib: string): string[] {
  const path = (name: string): string => join(lib, `lib${name}${librarySuffix}`);
  const optional = ['c10_cuda', 'torch_cuda'].map(path).filter((file) => existsSync(file));
  return [path('c10'), path('torch_cpu'), ...optional, path('torch')];
}

/** Returns the first of libtorch's libraries that is missing, or undefined. */
export function missingLibrary(lib: string): string | undefined {
  return libraryFiles(lib).find((file) => !existsSync(file));
}
