import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { decodeJpeg } from '../../../lib/image/jpeg.ts';
import { readJpegHeader } from '../../../lib/io/jpeg-header.ts';
import { findAddon, jpegName } from '../../../lib/setup/record.ts';
import { useJpegDecoder } from '../../../lib/train/data/jpeg-decoder.ts';
import { fixture } from '../../support.ts';

test('the decoder is loaded if setup has compiled it', async (t) => {
  useJpegDecoder();
  useJpegDecoder();
  const file = await readFile(fixture('images/rgb.jpg'));
  const pixels = await decodeJpeg(file, readJpegHeader(file)!, (length) => new Uint8Array(length));
  t.is(pixels !== undefined, existsSync(join(dirname(findAddon()?.file ?? ''), jpegName)));
});
