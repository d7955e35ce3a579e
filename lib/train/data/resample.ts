import { type AsyncOptions, type Prepared, runAsync } from '../../call.ts';
import { core } from '../../native.ts';
import type { Placement } from './transforms.ts';

/** How a decoded picture's bytes are arranged: the core's numbers are the places in this list. */
export const layouts = ['grey', 'greyAlpha', 'rgb', 'rgba', 'cmyk'] as const;

/** Decoded 8-bit pixels, row by row, channels interleaved. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  layout: (typeof layouts)[number];
}

/**
 * Cuts, resizes (PIL's bicubic, to the byte) and mirrors a picture off the JavaScript thread, converting to RGB as
 * PIL's `convert('RGB')` does: alpha is dropped and CMYK is not colour-managed.
 *
 * @param out - where the window's RGB bytes go, size x size x 3
 */
export function resample(
  pixels: Pixels,
  to: Placement,
  out: Uint8Array,
  options: AsyncOptions = {},
): Promise<void> {
  return runAsync('resample', options.signal, () => prepare(pixels, to, out));
}

function prepare({ data, width, height, layout }: Pixels, to: Placement, out: Uint8Array): Prepared<void> {
  const { box } = to;
  return {
    start: (job) =>
      core().resample(
        width,
        height,
        layouts.indexOf(layout),
        data,
        box.top,
        box.left,
        box.height,
        box.width,
        to.height,
        to.width,
        to.top,
        to.left,
        to.size,
        to.flip,
        out,
        1,
        job,
      ),
    finish: () => undefined,
  };
}
