import { coded } from '../errors.ts';

/** PIL warns about images with more pixels than this, and rejects images with more than twice as many. */
export const manyPixels = 89_478_485;
export const defaultMaxPixels: number = 2 * manyPixels;

/**
 * Throws for an image that is empty or too large; called before pixels are allocated.
 *
 * @throws `ERR_HOROBALL_PICTURE`
 */
export function checkSize(width: number, height: number, maxPixels: number): void {
  if (width * height > maxPixels) {
    throw unreadable(`${width} x ${height} pixels are more than the maximum of ${maxPixels}`);
  }
  if (!(width > 0 && height > 0)) throw unreadable('the image has no pixels');
}

export function unreadable(message: string): Error {
  return coded('ERR_HOROBALL_PICTURE', message);
}

/** System errors that concern the process, not the file. */
const processCodes: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'];

/** Whether an error means that an image file is damaged or unreadable, as opposed to another failure. */
export function isImageFault(error: unknown): error is Error {
  const { code = '', syscall } = Object(error) as NodeJS.ErrnoException; // a caller's pipeline may throw anything
  return code === 'ERR_HOROBALL_PICTURE' || (syscall !== undefined && !processCodes.includes(code));
}
