import { readFile } from 'node:fs/promises';
import test from 'ava';
import { decode } from '../../lib/image/decode.ts';
import { layouts, type Pixels, resample } from '../../lib/image/resample.ts';
import { evalPlacement, type Placement } from '../../lib/image/transforms.ts';
import { readSafetensors } from '../../lib/io/index.ts';
import { fixture } from '../support.ts';

interface Crop {
  picture: number;
  crop: number;
  top: number;
  left: number;
  height: number;
  width: number;
  size: number;
}

/** Returns the placement that copies a square image unchanged. */
function untouched(size: number): Placement {
  const box = { top: 0, left: 0, height: size, width: size };
  return { box, height: size, width: size, top: 0, left: 0, size, flip: false };
}

async function run(pixels: Pixels, to: Placement): Promise<Uint8Array> {
  const out = new Uint8Array(3 * to.size * to.size);
  await resample(pixels, to, out);
  return out;
}

test('every crop and resize equals the reference byte for byte', async (t) => {
  const { tensors, metadata } = await readSafetensors(fixture('transforms/transforms.safetensors'));
  const crops = JSON.parse(metadata['crops']!) as Crop[];
  t.is(crops.length, 12);
  for (let p = 0; p < 4; p++) {
    const pixels = await decode(await readFile(fixture(`transforms/image${p}.png`)));
    const check = async (name: string, to: Placement): Promise<void> => {
      const wanted = tensors.get(`${p}.${name}`)!.data as Uint8Array;
      t.is(Buffer.compare(await run(pixels, to), wanted), 0, `image , ${name}`);
    };
    for (const resize of [224, 256])
      await check(`resize${resize}_crop224`, evalPlacement(pixels, resize, 224));
    for (const { crop, size, ...box } of crops.filter(({ picture }) => picture === p)) {
      await check(`resized_crop${crop}`, { ...untouched(size), box });
    }
  }
});

test('a flip mirrors the selected window', async (t) => {
  const pixels = await decode(await readFile(fixture('transforms/image2.png')));
  const to = evalPlacement(pixels, 40, 24);
  const plain = await run(pixels, to);
  const flipped = await run(pixels, { ...to, flip: true });
  for (let y = 0; y < 24; y++) {
    for (let x = 0; x < 24; x++) {
      const [from, mirrored] = [3 * (24 * y + x), 3 * (24 * y + 23 - x)];
      t.deepEqual(flipped.subarray(mirrored, mirrored + 3), plain.subarray(from, from + 3));
    }
  }
});

test('a size that is not a multiple of the vector width leaves adjacent bytes unchanged', async (t) => {
  const pixels: Pixels = { data: new Uint8Array(3 * 25).fill(200), width: 5, height: 5, layout: 'rgb' };
  const memory = new Uint8Array(3 * 7 * 7 + 96).fill(9);
  await resample(pixels, { ...untouched(7), box: untouched(5).box }, memory.subarray(48, 48 + 3 * 49));
  t.true(memory.subarray(48, 48 + 147).every((v) => v === 200));
  t.true(memory.subarray(0, 48).every((v) => v === 9) && memory.subarray(48 + 147).every((v) => v === 9));
});

test('converts each layout to RGB as Pillow does', async (t) => {
  const one = async (layout: Pixels['layout'], ...pixel: number[]): Promise<number[]> => [
    ...(await run({ data: Uint8Array.from(pixel), width: 1, height: 1, layout }, untouched(1))),
  ];
  t.deepEqual(await one('gray', 77), [77, 77, 77]);
  t.deepEqual(await one('grayAlpha', 77, 3), [77, 77, 77]);
  t.deepEqual(await one('rgb', 1, 2, 3), [1, 2, 3]);
  t.deepEqual(await one('rgba', 1, 2, 3, 0), [1, 2, 3]);
  // light = 255 - k; channel = light - ink * light / 255, rounded
  t.deepEqual(await one('cmyk', 0, 255, 100, 55), [200, 0, 200 - 78]);
  t.is(layouts.length, 5);
});

test('rejects invalid boxes and lengths before reading pixels', async (t) => {
  const pixels: Pixels = { data: new Uint8Array(3 * 16), width: 4, height: 4, layout: 'rgb' };
  const good = untouched(4);
  const bad: [Pixels, Placement, number][] = [
    [pixels, { ...good, box: { ...good.box, left: 1 } }, 48],
    [pixels, { ...good, box: { ...good.box, top: -1 } }, 48],
    [pixels, { ...good, box: { ...good.box, width: 0 } }, 48],
    [pixels, { ...good, top: 1 }, 48],
    [pixels, good, 47],
    [{ ...pixels, data: new Uint8Array(47) }, good, 48],
    [{ ...pixels, width: 2 ** 31 - 1, height: 2 ** 31 - 1 }, good, 48],
    [{ ...pixels, width: -4, height: -4 }, good, 48],
  ];
  for (const [from, to, length] of bad) {
    const code = 'ERR_HOROBALL_TYPE';
    await t.throwsAsync(resample(from, to, new Uint8Array(length)), { code }, JSON.stringify(to));
  }
});

test('an aborted signal rejects before any work', async (t) => {
  const pixels: Pixels = { data: new Uint8Array(3), width: 1, height: 1, layout: 'rgb' };
  const signal = AbortSignal.abort(new Error('enough'));
  await t.throwsAsync(resample(pixels, untouched(1), new Uint8Array(3), { signal }), { message: 'enough' });
});
