/** Notes about readable images: alpha, and sizes that PIL warns about. */
import { manyPixels } from '../../image/fault.ts';
import type { Background } from '../../image/resample.ts';
import type { ImageLoader } from './loader.ts';

/** What each value of the option `background` does to alpha, as the end of a sentence. */
export const alphaTreatment: Readonly<Record<Background, string>> = {
  white: 'transparent pixels are blended with white (background white)',
  black: 'transparent pixels are blended with black (background black)',
  drop: 'it is ignored, so transparent pixels keep their stored color (background drop)',
};

/** Returns a sentence about images with alpha and one about large images, each only if there are such images. */
export function notesOf(found: { alpha: number; large: number }, background?: Background): string[] {
  const notes = [];
  if (found.alpha > 0) {
    const what =
      background === undefined
        ? '; train --background selects the color that transparent pixels are blended with'
        : `; ${alphaTreatment[background]}`;
    notes.push(`${images(found.alpha)} an alpha channel${what}`);
  }
  if (found.large > 0)
    notes.push(`${images(found.large)} more than ${manyPixels} pixels, above Pillow's warning limit`);
  return notes;
}

/**
 * Returns notes on the images that loaders have read so far.
 *
 * @param alphaNoted - whether an earlier note counted images with alpha; if so, they are not counted
 * again, because the number could differ
 */
export function imageNotes(
  loaders: readonly ImageLoader[],
  { background, alphaNoted = false }: { background: Background; alphaNoted?: boolean },
): string[] {
  const sum = (count: (loader: ImageLoader) => number): number =>
    loaders.reduce((total, loader) => total + count(loader), 0);
  const found = { alpha: alphaNoted ? 0 : sum((each) => each.withAlpha), large: sum((each) => each.large) };
  return notesOf(found, background);
}

function images(count: number): string {
  return count === 1 ? '1 image has' : `${count} images have`;
}
