import { readdir, readFile } from 'node:fs/promises';
import test from 'ava';
import { decode, maxPixels, Scratch } from '../../../lib/train/data/decode.ts';
import { resample } from '../../../lib/train/data/resample.ts';
import { fixture } from '../../support.ts';
import { picture } from './support.ts';

const names = (await readdir(fixture('pictures'))).filter((name) => /\.(png|webp|tif|jpg)$/.test(name));

/** What a picture's pixels are as RGB, through the same conversion as in training. */
async function asRgb(bytes: Buffer): Promise<{ width: number; height: number; data: Uint8Array }> {
  const pixels = await decode(bytes, new Scratch());
  const { width, height } = pixels;
  const size = Math.min(width, height);
  const data = new Uint8Array(3 * size * size);
  const box = { top: 0, left: 0, height: size, width: size };
  await resample(pixels, { box, height: size, width: size, top: 0, left: 0, size, flip: false }, data);
  return { width, height, data };
}

test('there is a picture of every mode', (t) => t.is(names.length, 18));

for (const name of names) {
  test(`${name} is what Pillow's convert('RGB') gives`, async (t) => {
    const wanted = await readFile(fixture(`pictures/${name}.rgb`));
    const { width, height, data } = await asRgb(await readFile(fixture(`pictures/${name}`)));
    t.deepEqual([width, height], [20, 15]);
    // libjpeg-turbo's fast DCT is a few levels from the slow one; everything else is exact.
    const allowed = name.endsWith('.jpg') && name !== 'cmyk.jpg' ? 6 : 0;
    for (let y = 0; y < 15; y++) {
      for (let i = 0; i < 45; i++) {
        const difference = Math.abs(data[45 * y + i]! - wanted[60 * y + i]!);
        if (difference > allowed) t.fail(`row ${y}, byte ${i}: off by ${difference}`);
      }
    }
    t.pass();
  });
}

test('damaged and foreign files are refused with a code', async (t) => {
  const [jpeg, png] = [await picture(1), await picture(1, 40, 30, 'png')];
  const files = {
    empty: Buffer.alloc(0),
    text: Buffer.from('not a picture'),
    'cut JPEG': jpeg.subarray(0, jpeg.length * 0.6),
    'cut PNG': png.subarray(0, png.length * 0.6),
    'only a marker': Buffer.from([0xff, 0xd8, 0xff, 0xd9]),
    'cut frame header': Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 1]),
  };
  for (const [name, bytes] of Object.entries(files)) {
    await t.throwsAsync(decode(bytes, new Scratch()), { code: 'ERR_HOROBALL_PICTURE' }, name);
  }
});

test('a picture of absurd size is refused before its memory is taken', async (t) => {
  const jpeg = Buffer.from(await picture(1));
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt16BE(60_000, frame + 5);
  jpeg.writeUInt16BE(60_000, frame + 7);
  const png = Buffer.from(await picture(1, 40, 30, 'png'));
  png.writeUInt32BE(60_000, 16);
  png.writeUInt32BE(60_000, 20);
  const before = process.memoryUsage().rss;
  const start = performance.now();
  for (const bytes of [jpeg, png]) {
    await t.throwsAsync(decode(bytes, new Scratch()), {
      code: 'ERR_HOROBALL_PICTURE',
      message: /^60000 x 60000 pixels are more than the 89 million that are decoded$/,
    });
  }
  t.true(performance.now() - start < 1000);
  t.true(process.memoryUsage().rss - before < maxPixels);
});

test('a scratch is used again', async (t) => {
  const scratch = new Scratch();
  const large = await decode(await picture(1, 64, 64), scratch);
  const small = await decode(await picture(2, 8, 8), scratch);
  t.is(small.data.buffer, large.data.buffer);
  t.is(small.data.length, 3 * 64);
});
