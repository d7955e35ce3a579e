import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { decode } from '../../lib/image/decode.ts';
import { decodeJpeg, openJpegDecoder } from '../../lib/image/jpeg.ts';
import type { Pixels } from '../../lib/image/resample.ts';
import { readJpegHeader } from '../../lib/io/jpeg-header.ts';
import { loadSharp } from '../../lib/io/sharp.ts';
import { core } from '../../lib/native.ts';
import { random } from '../../lib/random.ts';
import { findAddon, jpegName } from '../../lib/setup/record.ts';
import { fixture } from '../support.ts';

const library = join(dirname(findAddon()?.file ?? ''), jpegName);
const hasDecoder = existsSync(library);

const direct = (file: Buffer): Promise<Pixels | undefined> =>
  decodeJpeg(file, readJpegHeader(file)!, (length) => new Uint8Array(length).fill(77));

/** The size of an image, whether it is CMYK, and the hash of its RGB or CMYK bytes. */
function described({ data, width, height, layout }: Pixels): string {
  const rgb =
    layout === 'gray'
      ? Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!)
      : data;
  return `${width} x ${height} ${layout === 'cmyk'} ${createHash('sha256').update(rgb).digest('hex')}`;
}

/** JPEG files of the fixtures, and noise: several sizes, qualities and chroma samplings, baseline, progressive and gray. */
async function photos(): Promise<Record<string, Buffer>> {
  const sharp = await loadSharp();
  const files: Record<string, Buffer> = {};
  for (const name of (await readdir(fixture('images'))).filter((each) => each.endsWith('.jpg')))
    files[name] = await readFile(fixture(`images/${name}`));
  const next = random(4);
  for (const [width, height] of [
    [1, 1],
    [7, 5],
    [16, 16],
    [33, 50],
    [301, 127],
  ] as const)
    for (const quality of [20, 90, 100])
      for (const chromaSubsampling of ['4:4:4', '4:2:0'])
        for (const [progressive, channels] of [
          [false, 3],
          [true, 3],
          [false, 1],
        ] as const) {
          const noise = Uint8Array.from({ length: 48 * channels }, () => 256 * next());
          files[`${width} x ${height} ${quality} ${chromaSubsampling} ${progressive} ${channels}`] =
            await sharp(noise, {
              raw: { width: 8, height: 6, channels },
            })
              .resize(width, height, { fit: 'fill' })
              .toColourspace(channels === 1 ? 'b-w' : 'srgb')
              .jpeg({ quality, chromaSubsampling, progressive })
              .toBuffer();
        }
  return files;
}

test.serial('without a decoder, no file is decoded', async (t) => {
  t.is(await direct(await readFile(fixture('images/rgb.jpg'))), undefined);
});

(hasDecoder ? test.serial : test.serial.skip)('the decoder gives the bytes that sharp gives', async (t) => {
  const files = await photos();
  const bySharp: Record<string, string> = {};
  const attempt = (file: Buffer): Promise<string> => decode(file).then(described, ({ message }) => message);
  for (const [name, file] of Object.entries(files)) bySharp[name] = await attempt(file);
  openJpegDecoder(library);
  let decoded = 0;
  for (const [name, file] of Object.entries(files)) {
    const wanted = bySharp[name]!;
    t.deepEqual(await attempt(file), wanted, name);
    if ((await direct(file)) !== undefined) decoded++;
  }
  t.true(decoded >= 95, `${decoded} of ${Object.keys(files).length} files`);
});

(hasDecoder ? test.serial : test.serial.skip)(
  'damaged files and other images are not accepted',
  async (t) => {
    openJpegDecoder(library);
    const whole = await readFile(fixture('images/rgb.jpg'));
    t.not(await direct(whole), undefined);
    for (let length = 200; length < whole.length - 2; length += 37) {
      const cut = whole.subarray(0, length);
      if (readJpegHeader(cut) !== undefined) t.is(await direct(cut), undefined, `${length} bytes`);
    }
    const header = readJpegHeader(whole)!;
    const allocate = (length: number): Uint8Array => new Uint8Array(length);
    for (const change of [
      { width: 21 },
      { height: 14 },
      { components: 1 },
      { components: 4 },
      { precision: 12 },
    ])
      t.is(await decodeJpeg(whole, { ...header, ...change }, allocate), undefined, JSON.stringify(change));
    t.is(await direct(await readFile(fixture('images/cmyk.jpg'))), undefined);
  },
);

test('a library that is missing, or has no decoder, is an error', (t) => {
  t.throws(() => openJpegDecoder('/nonexistent/jpeg.so'), { code: 'ERR_HOROBALL_DLOPEN' });
});

test('the core refuses a call without arrays', (t) => {
  t.throws(() => core().decodeJpeg(1, 1, 3, 4, null, null, null, 1, 0), {
    message: /expected a gray or RGB image/,
  });
});
