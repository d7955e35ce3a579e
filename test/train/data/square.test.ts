import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { readSquare } from '../../../lib/train/data/square.ts';
import { encodedImage, temporary, writeTree } from './support.ts';

const size = 8;

/** The color at a position. */
const at = (pixels: Uint8Array, x: number, y: number): number[] => [
  ...pixels.subarray(3 * (y * size + x), 3 * (y * size + x) + 3),
];

test('reads the central square of a wide image of any size', async (t) => {
  const folder = await temporary(t);
  // Red, green and blue thirds: the square is the green one.
  const pixels = new Uint8Array(3 * 24 * 72);
  for (let y = 0; y < 24; y++)
    for (let x = 0; x < 72; x++) pixels[3 * (72 * y + x) + Math.floor(x / 24)] = 255;
  const image = sharp(pixels, { raw: { width: 72, height: 24, channels: 3 } });
  const file = join(folder, 'a.png');
  await image.png().toFile(file);
  const square = await readSquare(file, size);
  t.is(square.length, 3 * size * size);
  for (const [x, y] of [
    [1, 1],
    [size - 2, 4],
  ] as const)
    t.deepEqual(at(square, x, y), [0, 255, 0]);
});

test('draws transparent pixels in white', async (t) => {
  const file = join(await temporary(t), 'a.png');
  const clear = { width: 16, height: 16, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } as const;
  await sharp({ create: clear }).png().toFile(file);
  t.deepEqual(await readSquare(file, size), new Uint8Array(3 * size * size).fill(255));
});

test('an unreadable image causes a coded error', async (t) => {
  const folder = await temporary(t);
  const whole = await encodedImage(1);
  await writeTree(folder, { 'cut.jpg': whole.subarray(0, 40), 'none.jpg': '' });
  for (const name of ['cut.jpg', 'none.jpg']) {
    const error = await t.throwsAsync<Error & { code?: string }>(readSquare(join(folder, name), size));
    t.regex(error?.code ?? '', /^ERR_HOROBALL_/, name);
  }
  await t.throwsAsync(readSquare(join(folder, 'missing.jpg'), size));
});
