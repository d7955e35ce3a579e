import test from 'ava';
import { baselineFeatures } from '../../../lib/train/data/baselines.ts';
import { readClasses } from '../../../lib/train/data/folder.ts';
import { gradientLength, orientedGradients } from '../../../lib/train/data/gradients.ts';
import { temporary, writeClasses, writeTree } from './support.ts';

const size = 32;

/** A grey grating whose brightness changes along the given direction. */
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

test('gradients know orientation, not contrast, and a flat picture has none', (t) => {
  const upright = orientedGradients(grating(0), size);
  t.is(upright.length, gradientLength);
  t.true(Math.abs(cosine(upright, upright) - 1) < 1e-5);
  t.true(cosine(upright, orientedGradients(grating(0, 40), size)) > 0.99);
  t.true(cosine(upright, orientedGradients(grating(Math.PI / 2), size)) < 0.1);
  t.true(orientedGradients(new Uint8Array(3 * size * size).fill(77), size).every((v) => v === 0));
});

test('every readable picture has a row under each baseline', async (t) => {
  const root = await temporary(t);
  await writeClasses(root, 3, 8);
  await writeTree(root, { 'class1/3.jpg': 'damaged' });
  const baselines = await baselineFeatures(await readClasses(root), 24);
  t.deepEqual(
    baselines.map(({ name }) => name),
    ['raw pixels', 'colours and gradients'],
  );
  for (const { features, labels } of baselines) {
    t.is(features.rows, 23);
    t.deepEqual([...labels].filter((label) => label === 1).length, 7);
  }
  t.is(baselines[0]!.features.cols, 3 * 24 * 24);
});
