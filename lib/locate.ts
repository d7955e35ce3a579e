// Locates the files of the core: a build of this package, the platform's package, the WebAssembly module. Node's modules
// are loaded on demand: importing them statically takes 0.3 to 2 ms each, `fs` the most.
import { type BinaryFiles, binaryFiles } from './binary-files.ts';
import { addonCache } from './cache-folder.ts';

const builtin = process.getBuiltinModule;

declare const __filename: string;

/** Finds the files of the core, starting from this module. */
export class Locator {
  /** `require` of this file. */
  readonly require: NodeJS.Require;
  readonly #here: string;

  constructor() {
    // In a CommonJS bundle, import.meta.url is undefined, but __filename is set.
    this.#here = import.meta.url ?? builtin('node:url').pathToFileURL(__filename).href;
    this.require = builtin('node:module').createRequire(this.#here);
  }

  /** Yields the files that may be the native core, most likely first. Throws in a bundle if the package is not found. */
  *native(): Generator<string> {
    const { existsSync } = builtin('node:fs');
    const files = this.files();
    const built = files.own.find(existsSync);
    if (built !== undefined) yield built;
    yield* files.packaged();
    const tagged = this.#tagged();
    if (tagged !== undefined) yield tagged;
    const cached = this.#cached();
    if (existsSync(cached)) yield cached;
  }

  files(): BinaryFiles {
    try {
      return binaryFiles();
    } catch {
      // This module was bundled into a program, so the package is looked up by its name.
      return this.require(
        builtin('node:path').join(this.#package(), 'dist/lib/binary/index.js'),
      ) as BinaryFiles;
    }
  }

  /** Returns the file that node-gyp-build selects by the tags in the names of prebuilt files, such as libc and CPU version. */
  #tagged(): string | undefined {
    try {
      const { path } = this.require('node-gyp-build') as { path(folder: string): string };
      return path(this.#package());
    } catch {
      return undefined;
    }
  }

  #cached(): string {
    const { version } = this.require('horoball/package.json') as { version: string };
    return builtin('node:path').join(addonCache(version), 'core.node');
  }

  #package(): string {
    return builtin('node:path').dirname(this.require.resolve('horoball/package.json'));
  }
}
