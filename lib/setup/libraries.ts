import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What a shared library's name ends with here. */
export const librarySuffix: string = process.platform === 'darwin' ? '.dylib' : '.so';

/** libtorch's own libraries in the order in which they need each other; the CUDA ones only where there are. */
export function libraryFiles(lib: string): string[] {
  const path = (name: string): string => join(lib, `lib${name}${librarySuffix}`);
  const optional = ['c10_cuda', 'torch_cuda'].map(path).filter((file) => existsSync(file));
  return [path('c10'), path('torch_cpu'), ...optional, path('torch')];
}

/** The first of libtorch's libraries that is not there, or undefined. */
export function missingLibrary(lib: string): string | undefined {
  return libraryFiles(lib).find((file) => !existsSync(file));
}
