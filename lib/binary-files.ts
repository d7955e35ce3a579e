// File tracers (@vercel/nft, Turbopack) follow `require` only if it is created as below. The bundle dist/lib/horoball.js
// therefore imports this module as a separate file, and lib/tasks/minify.ts keeps the variable.
import { createRequire } from 'node:module';

/**
 * The exports of dist/lib/binary/index.js, which lib/tasks/binary-index.ts writes: the paths of the core's files, as
 * literals.
 */
export interface BinaryFiles {
  /** Paths at which this package itself may have a binary: its own build, or a prebuilt file for this platform. */
  readonly own: readonly string[];
  readonly wasm: string;
  readonly worker: string;
  /** Path of the worker script of `embedTree`. */
  readonly tree: string;
  /** Returns the binaries of the installed packages for this platform, at most one per C library. */
  packaged(): Iterable<string>;
}

/**
 * Returns the paths of the binary files. Throws if this module was bundled into a program, because the files are then
 * not next to it.
 */
export function binaryFiles(): BinaryFiles {
  const require = createRequire(import.meta.url);
  return require('./binary/index.js') as BinaryFiles;
}
