// File tracers follow `require` only if it is created as below, so this module remains a separate file (see
// ../binary-files.ts).
import { createRequire } from 'node:module';
import type { Runtime } from './types.ts';

/** The exports of dist/lib/binary/runtimes.js, which lib/tasks/binary-index.ts writes. */
interface RuntimeFiles {
  /** Functions that return the path of an installed runtime. */
  readonly runtimes: Readonly<Record<Runtime, () => string | undefined>>;
}

/** Returns the path of a runtime, resolved from this package; undefined if it is not installed. */
export function runtimeFile(runtime: Runtime): string | undefined {
  const require = createRequire(import.meta.url);
  return (require('../binary/runtimes.js') as RuntimeFiles).runtimes[runtime]();
}
