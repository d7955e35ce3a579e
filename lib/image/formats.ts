/** Detection of images: by extension when a data set is listed, by content when an image is decoded. */
import path from 'node:path';

/** The extensions of torchvision's ImageFolder, and .pbm, which its list lacks. */
export const extensions: ReadonlySet<string> = new Set([
  ...['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.pbm', '.tif', '.tiff', '.webp'],
]);

/** Whether a file has the extension of an image. */
export function isImageName(name: string): boolean {
  return extensions.has(path.extname(name).toLowerCase());
}

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif' | 'bmp' | 'pnm';

/** The first bytes of each format except WebP and PNM. */
const signatures: readonly (readonly [ImageFormat, ...string[]])[] = [
  ['jpeg', '\xff\xd8\xff'],
  ['png', '\x89PNG\r\n\x1a\n'],
  ['tiff', 'II*\0', 'MM\0*', 'II+\0', 'MM\0+'],
  ['gif', 'GIF87a', 'GIF89a'],
  ['bmp', 'BM'],
];

/** Number of bytes that {@link formatOf} needs. */
export const signatureLength = 16;

/**
 * Detects a supported format from the first bytes; undefined for anything else. Other formats never reach the decoder:
 * SVG and PDF, for example, need an interpreter, in which a file of 2 kB can take minutes.
 */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, signatureLength));
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'webp';
  if (/^P[1-6]\s/.test(head)) return 'pnm';
  return signatures.find(([, ...starts]) => starts.some((start) => head.startsWith(start)))?.[0];
}
