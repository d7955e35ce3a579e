import { type AsyncOptions, type Prepared, runAsync } from '../call/run.ts';
import { core } from '../native.ts';
import { resample as callResample } from './binding-calls.ts';
import type { Placement } from './transforms.ts';

/** Layout of a decoded image; the core uses the indices of this list. */
export const layouts = ['gray', 'grayAlpha', 'rgb', 'rgba', 'cmyk'] as const;

/** Background for alpha blending; `drop` ignores alpha, like PIL's `convert('RGB')`. */
export const backgrounds = ['white', 'black', 'drop'] as const;
export type Background = (typeof backgrounds)[number];
/** The gray level of each background in the core; -1 ignores alpha. */
const backgroundLevels: Readonly<Record<Background, number>> = { white: 255, black: 0, drop: -1 };

/** Decoded 8-bit pixels, row by row, channels interleaved. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  layout: (typeof layouts)[number];
}

/** Whether a layout has an alpha channel, even if every pixel is opaque. */
export function hasAlpha({ layout }: Pick<Pixels, 'layout'>): boolean {
  return layout === 'grayAlpha' || layout === 'rgba';
}

/**
 * Crops, resizes and mirrors an image off the JavaScript thread, bit-identically to PIL's `convert('RGB')` and bicubic
 * `resize`. CMYK is not color-managed. Alpha is dropped by default; with `background` white or black, it is blended
 * before resizing.
 *
 * @param out - receives the RGB bytes of the window, size x size x 3
 */
export function resample(
  pixels: Pixels,
  to: Placement,
  out: Uint8Array,
  options: AsyncOptions & { background?: Background | undefined } = {},
): Promise<void> {
  return runAsync('resample', options.signal, () => prepare(pixels, to, out, options.background ?? 'drop'));
}

function prepare(
  { data, width, height, layout }: Pixels,
  to: Placement,
  out: Uint8Array,
  background: Background,
): Prepared<void> {
  const { box } = to;
  return {
    start: (job) =>
      callResample(core(), {
        width,
        height,
        layout: layouts.indexOf(layout),
        pixels: data,
        background: backgroundLevels[background],
        top: box.top,
        left: box.left,
        boxHeight: box.height,
        boxWidth: box.width,
        outHeight: to.height,
        outWidth: to.width,
        windowTop: to.top,
        windowLeft: to.left,
        size: to.size,
        flip: to.flip,
        out,
        threads: 1,
        job,
      }),
    finish: () => undefined,
  };
}
