/**
 * Histograms of oriented gradients (Dalal and Triggs, CVPR 2005): 8 x 8 cells, 9 unsigned orientations with linear
 * interpolation between them, and overlapping blocks of 2 x 2 cells, each normalized to unit length.
 */

const cells = 8;
const orientations = 9;
const blockLength = 4 * orientations;

/** Number of features that {@link orientedGradients} returns. */
export const gradientLength: number = (cells - 1) ** 2 * blockLength;

/** Returns the features of an image of size x size x 3 bytes. They have unit length unless the image has no gradients. */
export function orientedGradients(image: Uint8Array, size: number): Float32Array {
  const histogram = cellHistograms(luma(image), size);
  const out = new Float32Array(gradientLength);
  let at = 0;
  for (let y = 0; y + 1 < cells; y++) {
    for (let x = 0; x + 1 < cells; x++) {
      const block = out.subarray(at, at + blockLength);
      [0, 1, cells, cells + 1].forEach((offset, i) => {
        const from = (y * cells + x + offset) * orientations;
        block.set(histogram.subarray(from, from + orientations), i * orientations);
      });
      normalize(block);
      at += blockLength;
    }
  }
  return normalize(out);
}

/** Normalizes to unit length, in place; zero stays zero. */
export function normalize(x: Float32Array): Float32Array {
  let sum = 0;
  for (const v of x) sum += v * v;
  const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
  for (let i = 0; i < x.length; i++) x[i]! *= scale;
  return x;
}

function luma(image: Uint8Array): Float32Array {
  const out = new Float32Array(image.length / 3);
  for (let i = 0, p = 0; i < out.length; i++, p += 3) {
    out[i] = 0.299 * image[p]! + 0.587 * image[p + 1]! + 0.114 * image[p + 2]!;
  }
  return out;
}

/** Returns a histogram per cell: each pixel divides the length of its gradient between the two nearest orientations. */
function cellHistograms(gray: Float32Array, size: number): Float32Array {
  const out = new Float32Array(cells * cells * orientations);
  for (let y = 1; y + 1 < size; y++) {
    const row = Math.floor((y * cells) / size) * cells;
    for (let x = 1; x + 1 < size; x++) {
      const at = y * size + x;
      const dx = gray[at + 1]! - gray[at - 1]!;
      const dy = gray[at + size]! - gray[at - size]!;
      const angle = ((Math.atan2(dy, dx) / Math.PI + 1) % 1) * orientations;
      const bin = Math.floor(angle) % orientations;
      const length = Math.hypot(dx, dy);
      const base = (row + Math.floor((x * cells) / size)) * orientations;
      const share = angle - Math.floor(angle);
      out[base + bin]! += length * (1 - share);
      out[base + ((bin + 1) % orientations)]! += length * share;
    }
  }
  return out;
}
