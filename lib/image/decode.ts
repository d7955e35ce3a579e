import type { Sharp } from 'sharp';
import { hasMoreScans, type JpegHeader, readJpegHeader } from '../io/jpeg-header.ts';
import { loadSharp } from '../io/sharp.ts';
import { allocateArray } from '../matrix.ts';
import { decodeBmp } from './bmp.ts';
import { checkSize, defaultMaxPixels, isImageFault, unreadable } from './fault.ts';
import { requireImage } from './file.ts';
import type { ImageFormat } from './formats.ts';
import { withoutHiddenWork } from './hidden-work.ts';
import { type AllocatePixels, decodeJpeg } from './jpeg.ts';
import { decodePnm } from './pnm.ts';
import type { Pixels } from './resample.ts';
import { checkColors } from './tiff.ts';

/** Time limit of decoding. The largest valid image takes a few seconds; a longer time indicates a malicious file. */
const maxSeconds = 60;
/**
 * Maximum number of scans of a JPEG file, as in libtiff; encoders write about ten. The time limit does not apply while
 * libjpeg reads scans.
 */
const maxScans = 100;

/**
 * Decodes an image off the JavaScript thread, bit-identically to PIL's `Image.open`: JPEG with the accurate integer DCT,
 * EXIF rotation for TIFF only, no color management, 16-bit colors truncated to their high byte, 16-bit grays clipped at
 * 255. The format is detected from the content, not from the name.
 *
 * @param maxPixels - larger images are rejected before their memory is allocated; default 178,956,970, the limit of PIL
 * @param allocate - returns memory for the pixels of a JPEG file, which may be left unused; default: new memory
 * @throws `ERR_HOROBALL_PICTURE` if the image is incomplete, damaged, too large or not supported;
 * `ERR_HOROBALL_NO_DECODER` if sharp is not installed
 */
export async function decode(
  file: Buffer,
  maxPixels: number = defaultMaxPixels,
  allocate: AllocatePixels = (length) => allocateArray('decode', Uint8Array, length),
): Promise<Pixels> {
  const format = requireImage(file);
  if (format === 'bmp') return decodeBmp(file, maxPixels);
  if (format === 'pnm') return decodePnm(file, maxPixels);
  const header = format === 'jpeg' ? checkedHeader(file, maxPixels) : undefined;
  const decoded = header && (await decodeJpeg(file, header, allocate));
  if (decoded !== undefined) return decoded;
  if (format === 'tiff') checkColors(file);
  const bytes = withoutHiddenWork(file, format);
  const sharp = await loadSharp();
  try {
    // A second limit, in case the decoder finds a larger size in the file than `readJpegHeader` does.
    const limitInputPixels = Math.max(1, Math.min(Math.floor(maxPixels), Number.MAX_SAFE_INTEGER));
    const options = { failOn: 'error', ignoreIcc: true } as const;
    const image = sharp(bytes, { ...options, limitInputPixels });
    const unlimited = (): Sharp => sharp(bytes, { ...options, limitInputPixels: false });
    image.timeout({ seconds: maxSeconds });
    const cmyk = await prepare(image, unlimited, bytes, format, header, maxPixels);
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { data, width, height, layout: layoutOf(channels, cmyk) };
  } catch (cause) {
    if (isImageFault(cause)) throw cause;
    throw Object.assign(unreadable(reason(cause)), { cause });
  }
}

/** Reads and checks the header of a JPEG file; undefined if it has no valid one. */
function checkedHeader(file: Buffer, maxPixels: number): JpegHeader | undefined {
  const header = readJpegHeader(file);
  if (hasMoreScans(file, maxScans)) throw unreadable(`it has more than ${maxScans} scans`);
  if (header !== undefined) checkSize(header.width, header.height, maxPixels);
  return header;
}

/**
 * Checks the size and configures the decoder from the header. Returns true if the pixels remain CMYK.
 *
 * @param unlimited - opens the image to read its size, however large it is
 */
async function prepare(
  image: Sharp,
  unlimited: () => Sharp,
  bytes: Buffer,
  format: ImageFormat,
  header: JpegHeader | undefined,
  maxPixels: number,
): Promise<boolean> {
  if (header !== undefined && header.components !== 4) return false; // avoids reading the header again in the common case
  const { space, channels, width, height, orientation = 1 } = await unlimited().metadata();
  checkSize(width, height, maxPixels);
  if (format === 'tiff' && orientation > 1) image.autoOrient();
  if (space === 'cmyk') image.pipelineColorspace('cmyk').toColorspace('cmyk');
  // 16-bit gray is clipped at 255 only without alpha. For PNG, the color type says whether there is alpha, because
  // sharp counts a tRNS chunk as alpha.
  const gray16 = space === 'grey16' && (format === 'png' ? bytes[25] === 0 : channels === 1);
  if (gray16) image.toColorspace('grey16');
  return space === 'cmyk';
}

/**
 * Returns the layout of decoded pixels. Throws for an unsupported number of channels: a TIFF file may have any number.
 */
function layoutOf(channels: number, cmyk: boolean): Pixels['layout'] {
  const layout = (['gray', 'grayAlpha', 'rgb', cmyk ? 'cmyk' : 'rgba'] as const)[channels - 1];
  if (layout === undefined || (cmyk && layout !== 'cmyk'))
    throw unreadable(`${channels} channels${cmyk ? ' of CMYK' : ''} are not supported`);
  return layout;
}

/** Returns the first line of sharp's message; the others repeat it. */
function reason(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0]!;
}
