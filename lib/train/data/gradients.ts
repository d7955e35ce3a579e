/**
 * Histograms of oriented gradients (Dalal and Triggs, CVPR 2005): 8 x 8 cells, 9 unsigned orientations with linear
 * interpolation between them, blocks of 2 x 2 cells normalised to unit length, one after the other.
 */

const cells = 8;
const orientations = 9;
const blockLength = 4 * orientations;

/** Length of {@link orientedGradients}. */
export const gradientLength: number = (cells - 1) ** 2 * blockLength;

/** The features of one picture of size x size x 3 bytes, of unit length unless the picture is flat. */
export function orientedGradients(picture: Uint8Array, size: number): Float32Array {
  const histogram = cellHistograms(luma(picture), size);
  const out = new Float32Array(gradientLength);
  let at = 0;
  for (let y = 0; y + 1 < cells; y++) {
    for (let x = 0; x + 1 < cells; x++) {
      const block = out.subarray(at, at + blockLength);
      [0, 1, cells, cells + 1].forEach((offset, i) => {
        const from = (y * cells + x + offset) * orientations;
        block.set(histogram.subarray(from, from + orientations), i * orientations);
      });
      normalise(block);
      at += blockLength;
    }
  }
  return normalise(out);
}

/** Divides by the Euclidean length, in place; leaves zeros alone. */
export function normalise(x: Float32Array): Float32Array {
  let sum = 0;
  for (const v of x) sum += v * v;
  const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
  for (let i = 0; i < x.length; i++) x[i]! *= scale;
  return x;
}

function luma(picture: Uint8Array): Float32Array {
  const out = new Float32Array(picture.length / 3);
  for (let i = 0, p = 0; i < out.length; i++, p += 3) {
    out[i] = 0.299 * picture[p]! + 0.587 * picture[p + 1]! + 0.114 * picture[p + 2]!;
  }
  return out;
}

/** Central differences, each pixel's length shared between the two orientations next to its own. */
function cellHistograms(grey: Float32Array, size: number): Float32Array {
  const out = new Float32Array(cells * cells * orientations);
  for (let y = 1; y + 1 < size; y++) {
    const row = Math.floor((y * cells) / size) * cells;
    for (let x = 1; x + 1 < size; x++) {
      const at = y * size + x;
      const dx = grey[at + 1]! - grey[at - 1]!;
      const dy = grey[at + size]! - grey[at - size]!;
      const turn = ((Math.atan2(dy, dx) / Math.PI + 1) % 1) * orientations;
      const bin = Math.floor(turn) % orientations;
      const length = Math.hypot(dx, dy);
      const base = (row + Math.floor((x * cells) / size)) * orientations;
      const share = turn - Math.floor(turn);
      out[base + bin]! += length * (1 - share);
      out[base + ((bin + 1) % orientations)]! += length * share;
    }
  }
  return out;
}
