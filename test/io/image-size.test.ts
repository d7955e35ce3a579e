import test from 'ava';
import sharp from 'sharp';
import { imageSize } from '../../lib/io/image-size.ts';

const create = { width: 37, height: 1021, channels: 3, background: '#a05028' } as const;

test('sizes are those that were written, whatever the flavour', async (t) => {
  const coloured = () => sharp({ create });
  const exif = { IFD0: { Copyright: 'x'.repeat(5000) } };
  const files: [string, Promise<Buffer>, number][] = [
    ['png', coloured().png().toBuffer(), 3],
    ['png with alpha', coloured().ensureAlpha().png().toBuffer(), 4],
    ['grey png', coloured().toColourspace('b-w').png().toBuffer(), 1],
    ['jpeg', coloured().jpeg().toBuffer(), 3],
    ['progressive jpeg', coloured().jpeg({ progressive: true, optimiseCoding: true }).toBuffer(), 3],
    ['grey jpeg', coloured().toColourspace('b-w').jpeg().toBuffer(), 1],
    ['jpeg with a long header', coloured().withExif(exif).jpeg().toBuffer(), 3],
  ];
  for (const [name, file, channels] of files)
    t.deepEqual(imageSize('test', await file), { width: 37, height: 1021, channels }, name);
});

test('bytes that fill the room before a marker are skipped', async (t) => {
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const filled = Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), jpeg.subarray(2)]);
  t.deepEqual(imageSize('test', filled), { width: 37, height: 1021, channels: 3 });
});

test('a header that is cut off, or of another format, is refused', async (t) => {
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  const webp = await sharp({ create }).webp().toBuffer();
  for (const bytes of [jpeg.subarray(0, frame + 8), jpeg.subarray(0, 3), webp, new Uint8Array(0)])
    t.throws(() => imageSize('test', bytes), { code: 'ERR_HOROBALL_RANGE', message: /PNG or JPEG/ });
});
