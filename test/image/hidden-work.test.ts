import { crc32, deflateSync } from 'node:zlib';
import test from 'ava';
import sharp from 'sharp';
import { decode } from '../../lib/image/decode.ts';
import { withoutHiddenWork } from '../../lib/image/hidden-work.ts';

const picture = sharp({ create: { width: 8, height: 6, channels: 3, background: 'red' } });

function repeated(part: Buffer, count: number): Buffer {
  return Buffer.concat(new Array<Buffer>(count).fill(part));
}

function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

test('compressed text of a PNG file is not inflated if there is much of it', async (t) => {
  const png = await picture.clone().png().toBuffer();
  const zeros = deflateSync(Buffer.alloc(2 ** 24));
  const text = (count: number): Buffer => {
    const ztxt = pngChunk('zTXt', Buffer.concat([Buffer.from('a\0\0'), zeros]));
    const itxt = pngChunk('iTXt', Buffer.concat([Buffer.from('a\0\x01\0\0\0'), zeros]));
    const chunks = repeated(Buffer.concat([ztxt, itxt]), count / 2);
    return Buffer.concat([png.subarray(0, 33), chunks, png.subarray(33, -12), chunks, png.subarray(-12)]);
  };
  t.deepEqual(withoutHiddenWork(text(10), 'png'), png); // was 4 s of CPU time per megabyte of the file
  t.deepEqual(await decode(text(10)), await decode(png));
  const little = Buffer.concat([png.subarray(0, 33), pngChunk('zTXt', zeros), png.subarray(33)]);
  t.is(withoutHiddenWork(little, 'png'), little);
  const cut = text(10).subarray(0, 40); // ends in a chunk
  t.is(withoutHiddenWork(cut, 'png'), cut);
});

test('the color profile of a PNG file is not inflated if it is long', async (t) => {
  const png = await picture.clone().png().toBuffer();
  const displayP3 = await picture.clone().withIccProfile('p3').png().toBuffer();
  const begin = displayP3.indexOf('iCCP') - 4;
  const chunk = displayP3.subarray(begin, begin + 12 + displayP3.readUInt32BE(begin));
  const withProfile = (part: Buffer): Buffer => Buffer.concat([png.subarray(0, 33), part, png.subarray(33)]);
  t.deepEqual(await decode(withProfile(chunk)), await decode(png)); // profiles are ignored, as Pillow ignores them
  const zeros = deflateSync(Buffer.alloc(2 ** 27));
  const long = withProfile(pngChunk('iCCP', Buffer.concat([Buffer.from('a\0\0'), zeros])));
  t.deepEqual(withoutHiddenWork(long, 'png'), png);
  t.deepEqual(await decode(long), await decode(png));
});

function riffChunk(type: string, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.write(type, 'latin1');
  header.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, data, Buffer.alloc(data.length % 2)]);
}

/** An animated WebP file of equal frames of one pixel. */
async function animated(frames: number): Promise<Buffer> {
  const still = await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } })
    .webp({ lossless: true })
    .toBuffer();
  const frame = riffChunk('ANMF', Buffer.concat([Buffer.alloc(16), still.subarray(12)]));
  const header = riffChunk('VP8X', Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  const parts = [Buffer.from('WEBP'), header, riffChunk('ANIM', Buffer.alloc(6)), repeated(frame, frames)];
  return riffChunk('RIFF', Buffer.concat(parts));
}

test('a WebP file has at most 8192 frames', async (t) => {
  t.deepEqual([...(await decode(await animated(3))).data], [255, 0, 0]);
  // 60,000 frames in 3 MB took 8 s.
  await t.throwsAsync(decode(await animated(8193)), {
    code: 'ERR_HOROBALL_PICTURE',
    message: /more than 8192 frames/,
  });
});

/** A GIF file of one black pixel per frame. `before` precedes each image. */
function gif(frames: number, before: Buffer): Buffer {
  const colors = Buffer.from([0x80, 0, 0, 0, 0, 0, 9, 9, 9]);
  const head = Buffer.concat([Buffer.from('GIF89a'), Buffer.from([1, 0, 1, 0]), colors]);
  const image = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
  const frame = Buffer.concat([before, image]);
  return Buffer.concat([head, repeated(frame, frames), Buffer.from([0x3b])]);
}

/** What can be between two frames of a GIF file. A reader that skips one in another way misses frames. */
const between: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'graphic control': Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0]),
  comment: Buffer.from([0x21, 0xfe, 3, 1, 2, 3, 0]),
  'empty comment': Buffer.from([0x21, 0xfe, 0]),
  'extension with an empty first block': Buffer.from([0x21, 0xf9, 0, 2, 0x3b, 0x3b, 0]),
  'extension of two blocks': Buffer.from([0x21, 0x01, 1, 7, 1, 0x3b, 0]),
};

for (const [what, part] of Object.entries(between))
  test(`a GIF file has at most 8192 frames: ${what} before each`, async (t) => {
    const three = gif(3, part);
    t.is((await sharp(three).metadata()).pages, 3);
    t.deepEqual([...(await decode(three)).data], [0, 0, 0]);
    t.is(withoutHiddenWork(three, 'gif'), three);
    const most = gif(8192, part);
    t.is(withoutHiddenWork(most, 'gif'), most);
    // A million frames in 14 MB took 35 s.
    await t.throwsAsync(decode(gif(8193, part)), {
      code: 'ERR_HOROBALL_PICTURE',
      message: /more than 8192 frames/,
    });
    for (let length = 13; length < three.length; length++) {
      const cut = three.subarray(0, length);
      t.is(withoutHiddenWork(cut, 'gif'), cut);
    }
  });

type Tag = readonly [tag: number, type: 2 | 4, values: readonly number[] | { at: number; count: number }];

/** A TIFF file with `data` at byte 16, followed by a directory of tags per page. */
function tiff(data: Buffer, pages: readonly (readonly Tag[])[], { little = true, big = false } = {}): Buffer {
  const [countBytes, entryBytes, width] = big ? [8, 20, 8] : [2, 12, 4];
  const integer = (value: number, bytes: number): Buffer => {
    const out = Buffer.alloc(8);
    if (bytes === 8) out.writeBigUInt64LE(BigInt(value));
    else out.writeUIntLE(value, 0, bytes);
    return little ? out.subarray(0, bytes) : out.subarray(0, bytes).reverse();
  };
  const start = Buffer.concat([
    Buffer.from(little ? 'II' : 'MM'),
    integer(big ? 43 : 42, 2),
    big ? Buffer.concat([integer(8, 2), integer(0, 2)]) : Buffer.alloc(0),
    integer(16 + data.length, width),
  ]);
  const parts = [start, Buffer.alloc(16 - start.length), data];
  let at = 16 + data.length;
  pages.forEach((tags, page) => {
    const end = at + countBytes + entryBytes * tags.length + width;
    const lists: Buffer[] = [];
    let listsEnd = end;
    const entries = tags.map(([tag, type, values]) => {
      const head = [integer(tag, 2), integer(type, 2)];
      if (!('length' in values))
        return Buffer.concat([...head, integer(values.count, width), integer(values.at, width)]);
      const list = Buffer.concat(values.map((value) => integer(value, 4)));
      const inPlace = list.length <= width;
      const value = inPlace
        ? Buffer.concat([list, Buffer.alloc(width - list.length)])
        : integer(listsEnd, width);
      if (!inPlace) {
        lists.push(list);
        listsEnd += list.length;
      }
      return Buffer.concat([...head, integer(values.length, width), value]);
    });
    const next = page + 1 < pages.length ? listsEnd : 0;
    parts.push(integer(tags.length, countBytes), ...entries, integer(next, width), ...lists);
    at = listsEnd;
  });
  return Buffer.concat(parts);
}

/** A page of one column, with one strip per row. All strips are the same `stripBytes` bytes, at byte 16. */
const page = (rows: number, stripBytes: number, more: readonly Tag[] = []): Tag[] => [
  [256, 4, [1]],
  [257, 4, [rows]],
  [258, 4, [8]],
  [259, 4, [8]],
  [262, 4, [1]],
  ...more,
  [273, 4, new Array<number>(rows).fill(16)],
  [277, 4, [1]],
  [278, 4, [1]],
  [279, 4, new Array<number>(rows).fill(stripBytes)],
];

for (const kind of [{}, { little: false }, { big: true }, { little: false, big: true }])
  test(`directories of a TIFF file do not refer to the same data too often: ${JSON.stringify(kind)}`, async (t) => {
    const pixel = deflateSync(Buffer.of(7));
    const small = tiff(pixel, [page(3, pixel.length)], kind);
    t.deepEqual([...(await decode(small)).data], new Array<number>(9).fill(7));
    const megabyte = Buffer.concat([pixel, Buffer.alloc(2 ** 20, 'a')]);
    const name: Tag = [270, 2, { at: 16, count: 2 ** 20 }];
    const refused: Record<string, Buffer> = {
      // Before this check, decoding such a file with 300,000 strips took 5 s, and one with 4000 pages 30 s.
      strips: tiff(megabyte, [page(100, 2 ** 20)], kind),
      pages: tiff(megabyte, new Array<Tag[]>(100).fill(page(1, pixel.length, [name])), kind),
    };
    for (const [what, bytes] of Object.entries(refused))
      await t.throwsAsync(
        decode(bytes),
        { code: 'ERR_HOROBALL_PICTURE', message: /refer to much more data/ },
        what,
      );
    const pages = tiff(megabyte, new Array<Tag[]>(10).fill(page(1, pixel.length, [name])), kind);
    t.is(withoutHiddenWork(pages, 'tiff'), pages);
    for (let length = 16; length < small.length; length++) {
      const cut = small.subarray(0, length);
      t.is(withoutHiddenWork(cut, 'tiff'), cut);
    }
  });

test('a TIFF file whose last page is followed by the first is accepted', (t) => {
  const bytes = tiff(Buffer.alloc(0), new Array<Tag[]>(5).fill([[256, 4, [1]]]));
  bytes.writeUInt32LE(16, bytes.length - 4);
  t.is(withoutHiddenWork(bytes, 'tiff'), bytes);
});
