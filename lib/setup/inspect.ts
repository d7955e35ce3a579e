import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { librarySuffix, missingLibrary } from './libraries.ts';
import type { LibTorch } from './record.ts';

/** A libtorch, or the reason why it cannot be used. */
export type Inspection = { libtorch: LibTorch } | { reason: string };

const oldest = [1, 13] as const;
/** The first major version that is not supported, because it is untested. */
const firstUntested = 3;
/** Headers that may define the version. The newer location is first: if it exists, the older header only includes it. */
const versionHeaders = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];

/** Inspects a folder that contains lib/ and include/: an unpacked archive, or the torch folder of a wheel. */
export function inspectRoot(origin: string, root: string): Inspection {
  return inspect(origin, join(root, 'lib'), join(root, 'include'));
}

/** Inspects a folder of libraries and a folder of headers; loads nothing. */
export function inspect(origin: string, lib: string, include: string): Inspection {
  if (!existsSync(lib)) return { reason: `no such folder: ${lib}` };
  const missing = missingLibrary(lib);
  if (missing !== undefined) return { reason: `${missing} not found` };
  const version = headerVersion(include);
  if (version === undefined) return { reason: `no libtorch headers found in ${include}` };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]) || major >= firstUntested) {
    return { reason: `expected version ${oldest.join('.')} to 2.x, got ${version}` };
  }
  const cuda = existsSync(join(lib, `libtorch_cuda${librarySuffix}`));
  return { libtorch: { origin, lib, include, version, cuda } };
}

function headerVersion(include: string): string | undefined {
  for (const header of versionHeaders) {
    const file = join(include, header);
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => new RegExp(`define TORCH_VERSION_${part} +(\\d+)`).exec(text)?.[1],
    );
    if (parts.every((part) => part !== undefined)) return parts.join('.');
  }
  return undefined;
}
