/**
 * Where a picture's pixels go: the arithmetic of torchvision's RandomResizedCrop, Resize and CenterCrop, apart from
 * the resampling itself. Rounding is Python's (half to even), so that sizes agree with torchvision's to the pixel.
 */
import { integer, type Random, uniform } from '../../random.ts';

/** A rectangle of whole pixels. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** Take `box` of the picture, resize it to `height` x `width`, and keep the `size` x `size` window at `top`, `left`. */
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

/** How a training crop is drawn. */
export interface CropOptions {
  /** Smallest and largest share of the picture's area; torchvision's and the published runs' is (0.2, 1) here. */
  scale: readonly [number, number];
  /** Smallest and largest width / height. */
  ratio: readonly [number, number];
}

/** RandomResizedCrop(size) and RandomHorizontalFlip(0.5): five random numbers at the least, in torchvision's order. */
export function trainPlacement(
  picture: { width: number; height: number },
  size: number,
  options: CropOptions,
  next: Random,
): Placement {
  const box = randomCrop(picture, options, next);
  return { box, height: size, width: size, top: 0, left: 0, size, flip: next() < 0.5 };
}

/** Resize(resize) of the shorter side, then CenterCrop(size); `resize` is at least `size`. */
export function evalPlacement(
  { width, height }: { width: number; height: number },
  resize: number,
  size: number,
): Placement {
  const long = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
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

/** Ten tries at a box that fits; then the largest centred one of an allowed shape. */
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
  return centredCrop(width, height, low, high);
}

function centredCrop(width: number, height: number, low: number, high: number): Box {
  const ratio = width / height;
  const w = ratio > high ? Math.max(1, roundHalfEven(height * high)) : width;
  const h = ratio < low ? Math.max(1, roundHalfEven(width / low)) : height;
  return { top: (height - h) >> 1, left: (width - w) >> 1, height: h, width: w };
}

/** Python's round(): a half goes to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
