import { decode } from '../../image/decode.ts';
import { readImageFile } from '../../image/file.ts';
import { resample } from '../../image/resample.ts';
import { evalPlacement } from '../../image/transforms.ts';

/**
 * Reads the central square of an image as size x size x 3 bytes, blended with white. The number of pixels is not limited,
 * because the loader has already checked it.
 */
export async function readSquare(path: string, size: number): Promise<Uint8Array> {
  const pixels = await decode(await readImageFile(path, Infinity), Infinity);
  const out = new Uint8Array(3 * size * size);
  await resample(pixels, evalPlacement(pixels, size, size), out, { background: 'white' });
  return out;
}
