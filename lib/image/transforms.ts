/**
 * Crop and resize geometry: the arithmetic of torchvision's RandomResizedCrop, Resize and CenterCrop, apart from
 * the resampling itself. Rounding is Python's (half to even), so that sizes agree with torchvision's to the pixel.
 */
import { integer, type Random, uniform } from '../random.ts';
import { unreadable } from './fault.ts';

/** A rectangle of whole pixels. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** Crop `box`, resize it to `height` x `width`, and keep the `size` x `size` window at `top`, `left`. */
export interface Placement {
  box: Box;
  height: number;
  width: number;
  top: number;
  left: number;
  size: number;
  /** Mirror the window left to right. */
  flip: boolean;
}

/** Distribution of training crops. */
export interface CropOptions {
  /** Smallest and largest area as a fraction of the image; the published runs use (0.2, 1). */
  scale: readonly [number, number];
  /** Smallest and largest width / height. */
  ratio: readonly [number, number];
}

/**
 * Returns a random placement like RandomResizedCrop(size) followed by RandomHorizontalFlip(0.5). Draws random numbers in
 * torchvision's order.
 */
export function trainPlacement(
  image: { width: number; height: number },
  size: number,
  options: CropOptions,
  next: Random,
): Placement {
  const box = randomCrop(image, options, next);
  return { box, height: size, width: size, top: 0, left: 0, size, flip: next() < 0.5 };
}

/** Maximum side of a resized image, as in native/bind/image.h. */
const maxSide = 2 ** 28;

/**
 * Returns the placement of Resize(resize), which sets the shorter side, followed by CenterCrop(size). `resize` is at
 * least `size`.
 *
 * @throws `ERR_HOROBALL_PICTURE` if the longer side would then exceed `maxSide`
 */
export function evalPlacement(
  { width, height }: { width: number; height: number },
  resize: number,
  size: number,
): Placement {
  const long = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  if (long > maxSide)
    throw unreadable(
      `${width} x ${height} pixels: resizing the shorter side to ${resize} would make the longer side exceed ${maxSide}`,
    );
  const resized = width <= height ? { width: resize, height: long } : { width: long, height: resize };
  return {
    box: { top: 0, left: 0, height, width },
    ...resized,
    top: roundHalfEven((resized.height - size) / 2),
    left: roundHalfEven((resized.width - size) / 2),
    size,
    flip: false,
  };
}

/** Tries ten random boxes; if none of them fits, returns the largest centered box with an allowed aspect ratio. */
function randomCrop(
  { width, height }: { width: number; height: number },
  options: CropOptions,
  next: Random,
): Box {
  const [low, high] = options.ratio;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * uniform(next, ...options.scale);
    const ratio = Math.exp(uniform(next, Math.log(low), Math.log(high)));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = integer(next, height - h + 1);
      return { top, left: integer(next, width - w + 1), height: h, width: w };
    }
  }
  return centeredCrop(width, height, low, high);
}

function centeredCrop(width: number, height: number, low: number, high: number): Box {
  const ratio = width / height;
  const w = ratio > high ? Math.max(1, roundHalfEven(height * high)) : width;
  const h = ratio < low ? Math.max(1, roundHalfEven(width / low)) : height;
  return { top: (height - h) >> 1, left: (width - w) >> 1, height: h, width: w };
}

/** Rounds like Python's `round()`: halves to the even neighbor. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
