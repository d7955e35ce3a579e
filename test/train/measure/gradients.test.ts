import test from 'ava';
import { gradientLength, normalize, orientedGradients } from '../../../lib/train/measure/gradients.ts';
import { networkError } from '../../tolerances.ts';

const size = 32;

/** A gray grating whose brightness changes along the given direction. */
function grating(angle: number, contrast = 100): Uint8Array {
  const out = new Uint8Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const wave = Math.sin(0.8 * (x * Math.cos(angle) + y * Math.sin(angle)));
      out.fill(128 + contrast * wave, 3 * (y * size + x), 3 * (y * size + x) + 3);
    }
  }
  return out;
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, v, i) => sum + v * b[i]!, 0);
}

test('gradient features depend on orientation but not contrast, and are zero for a flat image', (t) => {
  const upright = orientedGradients(grating(0), size);
  t.is(upright.length, gradientLength);
  t.true(Math.abs(cosine(upright, upright) - 1) < networkError.unit);
  t.true(cosine(upright, orientedGradients(grating(0, 40), size)) > 0.99);
  t.true(cosine(upright, orientedGradients(grating(Math.PI / 2), size)) < 0.1);
  t.true(orientedGradients(new Uint8Array(3 * size * size).fill(77), size).every((v) => v === 0));
});

test('opposite gradient directions are the same orientation, and brightness has no effect', (t) => {
  const image = grating(0.4);
  const inverted = image.map((value) => 255 - value);
  t.true(cosine(orientedGradients(image, size), orientedGradients(inverted, size)) > 0.999);
  const darker = image.map((value) => value - 20);
  t.deepEqual(orientedGradients(darker, size), orientedGradients(image, size));
});

test('images of any size have the same number of features, and those of the smallest images are zero', (t) => {
  for (const side of [1, 2, 7, 8, 33]) {
    const image = Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * 37) % 251);
    const found = orientedGradients(image, side);
    t.is(found.length, gradientLength);
    t.true(found.every(Number.isFinite));
    if (side < 3)
      t.true(
        found.every((value) => value === 0),
        'a gradient needs a pixel between two others',
      );
  }
});

test('normalizing keeps the direction, and leaves zero vectors unchanged', (t) => {
  t.deepEqual([...normalize(Float32Array.of(3, 4))], [...Float32Array.of(0.6, 0.8)]);
  t.deepEqual(normalize(new Float32Array(3)), new Float32Array(3));
});
