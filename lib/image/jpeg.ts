import { type Prepared, runAsync } from '../call/run.ts';
import type { JpegHeader } from '../io/jpeg-header.ts';
import { core } from '../native.ts';
import { decodeJpeg as callDecodeJpeg } from './binding-calls.ts';
import type { Pixels } from './resample.ts';

/** Returns memory for the pixels of an image, of this length in bytes. */
export type AllocatePixels = (length: number) => Uint8Array;

let opened = false;

/**
 * Loads a JPEG decoder (native/torch/jpeg.cc), which takes a fraction of the time of sharp.
 *
 * @throws `ERR_HOROBALL_DLOPEN` if it cannot be loaded
 */
export function openJpegDecoder(path: string): void {
  core().openJpegDecoder(path);
  opened = true;
}

/**
 * Decodes a JPEG file off the JavaScript thread, bit-identically to PIL. Returns undefined if no decoder is loaded, or if it
 * does not accept the file: it decodes gray and color images without any damage.
 */
export async function decodeJpeg(
  file: Buffer,
  { width, height, components, precision }: JpegHeader,
  allocate: AllocatePixels,
): Promise<Pixels | undefined> {
  if (!opened || precision !== 8 || (components !== 1 && components !== 3)) return undefined;
  return await runAsync('decode', undefined, (): Prepared<Pixels | undefined> => {
    const data = allocate(width * height * components);
    const decoded = new Uint8Array(1);
    return {
      start: (job) =>
        callDecodeJpeg(core(), {
          width,
          height,
          channels: components,
          length: file.length,
          file,
          out: data,
          decoded,
          threads: 1,
          job,
        }),
      finish: () =>
        decoded[0] === 1 ? { data, width, height, layout: components === 1 ? 'gray' : 'rgb' } : undefined,
    };
  });
}
