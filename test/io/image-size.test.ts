import test from 'ava';
import sharp from 'sharp';
import { imageSize } from '../../lib/io/image-size.ts';
import { withHiddenFrame } from '../image/hidden-frame.ts';

const create = { width: 37, height: 1021, channels: 3, background: '#a05028' } as const;

test('reads the size of every variant of PNG and JPEG', async (t) => {
  const colored = () => sharp({ create });
  const exif = { IFD0: { Copyright: 'x'.repeat(5000) } };
  const files: [string, Promise<Buffer>, number][] = [
    ['png', colored().png().toBuffer(), 3],
    ['png with alpha', colored().ensureAlpha().png().toBuffer(), 4],
    ['gray png', colored().toColorspace('b-w').png().toBuffer(), 1],
    ['jpeg', colored().jpeg().toBuffer(), 3],
    ['progressive jpeg', colored().jpeg({ progressive: true, optimiseCoding: true }).toBuffer(), 3],
    ['gray jpeg', colored().toColorspace('b-w').jpeg().toBuffer(), 1],
    ['jpeg with a long header', colored().withExif(exif).jpeg().toBuffer(), 3],
  ];
  for (const [name, file, channels] of files)
    t.deepEqual(imageSize('test', await file), { width: 37, height: 1021, channels }, name);
});

test('skips fill bytes before a marker', async (t) => {
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const filled = Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), jpeg.subarray(2)]);
  t.deepEqual(imageSize('test', filled), { width: 37, height: 1021, channels: 3 });
});

test('skips markers without a length', async (t) => {
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  for (const marker of [0x01, 0xd0, 0xd7])
    t.deepEqual(imageSize('test', withHiddenFrame(marker, jpeg)), { width: 37, height: 1021, channels: 3 });
});

test('rejects a truncated header and other formats', async (t) => {
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  const webp = await sharp({ create }).webp().toBuffer();
  for (const bytes of [jpeg.subarray(0, frame + 8), jpeg.subarray(0, 3), webp, new Uint8Array(0)])
    t.throws(() => imageSize('test', bytes), { code: 'ERR_HOROBALL_RANGE', message: /PNG or JPEG/ });
});
