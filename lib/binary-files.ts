// A separate module, never bundled: file tracers (@vercel/nft, Turbopack) follow `require` if it is created exactly
// like this.
import { createRequire } from 'node:module';

/** dist/lib/binary/index.js, which names the files of the core literally. lib/tasks/binary-index.ts writes it. */
export interface BinaryFiles {
  /** Builds of this package, and the binary of a package with all platforms. */
  readonly own: readonly string[];
  readonly wasm: string;
  readonly worker: string;
  /** The worker thread of embedTree. */
  readonly tree: string;
  /** The files in the installed packages for this platform, one per C library. */
  packaged(): Iterable<string>;
}

/**
 * Returns where the binary files are. Throws if this module was bundled into a program, because they are then not next
 * to it.
 */
export function binaryFiles(): BinaryFiles {
  const require = createRequire(import.meta.url);
  return require('./binary/index.js') as BinaryFiles;
}
