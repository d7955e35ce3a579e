import { coded } from '../../errors.ts';
import { type JpegHeader, readJpegHeader } from '../../io/jpeg-header.ts';
import { loadJpegTurbo, loadSharp } from './decoders.ts';
import type { Pixels } from './resample.ts';

/** Larger pictures are refused before they are decoded: PIL's own limit, a quarter of a gigabyte as RGB. */
export const maxPixels = 89_478_485;

/** Memory that one decoder uses again and again; it grows to the largest picture seen. */
export class Scratch {
  #buffer = Buffer.alloc(0);

  take(bytes: number): Buffer {
    if (this.#buffer.length < bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    return this.#buffer;
  }
}

/**
 * Decodes a picture off the JavaScript thread to what PIL's `Image.open` gives: no EXIF rotation, no colour
 * management, 16-bit colours cut to their high byte, 16-bit greys clipped at 255. JPEG goes through libjpeg-turbo's
 * fast DCT (about 1 of 255 from PIL's slow one on average), the rest through sharp.
 *
 * @param scratch - where JPEGs are decoded to: the result is valid until the next call with the same one
 * @throws `ERR_HOROBALL_PICTURE` when the bytes are no whole picture or it is too large;
 * `ERR_HOROBALL_NO_DECODER` when a decoder is not installed
 */
export async function decode(bytes: Buffer, scratch: Scratch): Promise<Pixels> {
  const header = readJpegHeader(bytes);
  if (header === undefined) return decodeOther(bytes);
  checkSize(header);
  const plain = header.precision === 8 && (header.components === 1 || header.components === 3);
  return (plain ? await decodeJpeg(bytes, header, scratch) : undefined) ?? decodeOther(bytes);
}

/** Whether an error says that a picture's file is damaged or cannot be read, rather than that something else is wrong. */
export function isPictureFault(error: unknown): error is Error {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ERR_HOROBALL_PICTURE' || syscall !== undefined;
}

/** Undefined when libjpeg-turbo complains: sharp then tells damage from what PIL would forgive. */
async function decodeJpeg(
  bytes: Buffer,
  { width, height }: JpegHeader,
  scratch: Scratch,
): Promise<Pixels | undefined> {
  const turbo = await loadJpegTurbo();
  const memory = scratch.take(3 * width * height);
  try {
    const decoded = await turbo.decompress(bytes, memory, { format: turbo.FORMAT_RGB });
    const data = memory.subarray(0, 3 * decoded.width * decoded.height);
    return { data, width: decoded.width, height: decoded.height, layout: 'rgb' };
  } catch {
    return undefined;
  }
}

async function decodeOther(bytes: Buffer): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    let image = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: false });
    const { space, channels, width, height } = await image.metadata();
    checkSize({ width, height });
    const cmyk = space === 'cmyk';
    if (cmyk) image = image.pipelineColourspace('cmyk').toColourspace('cmyk');
    if (space === 'grey16' && channels === 1) image = image.toColourspace('grey16');
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const layout = cmyk ? 'cmyk' : (['grey', 'greyAlpha', 'rgb', 'rgba'] as const)[info.channels - 1]!;
    return { data, width: info.width, height: info.height, layout };
  } catch (cause) {
    if (isPictureFault(cause)) throw cause;
    throw Object.assign(unreadable(reason(cause)), { cause });
  }
}

function checkSize({ width, height }: Pick<JpegHeader, 'width' | 'height'>): void {
  if (width * height > maxPixels) {
    throw unreadable(
      `${width} x ${height} pixels are more than the ${(maxPixels / 1e6).toFixed(0)} million that are decoded`,
    );
  }
  if (width * height === 0) throw unreadable('the picture has no pixels');
}

/** The first line of what sharp says; the rest repeats it. */
function reason(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0]!;
}

function unreadable(message: string): Error {
  return coded('ERR_HOROBALL_PICTURE', message);
}
