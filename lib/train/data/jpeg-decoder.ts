import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openJpegDecoder } from '../../image/jpeg.ts';
import { findAddon, jpegName } from '../../setup/record.ts';

let tried = false;

/** Loads the JPEG decoder that `setup` has compiled; without one, sharp decodes, with the same results. */
export function useJpegDecoder(): void {
  if (tried) return;
  tried = true;
  const addon = findAddon();
  const path = addon === undefined ? undefined : join(dirname(addon.file), jpegName);
  if (path === undefined || !existsSync(path)) return;
  try {
    openJpegDecoder(path);
  } catch {
    // libjpeg-turbo was removed after setup, or the core is WebAssembly
  }
}
