import { execFileSync } from 'node:child_process';
import { stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { defaultMaxPixels } from '../../../lib/image/fault.ts';
import { readImageFile } from '../../../lib/image/file.ts';
import { alphaIn, hasAlphaChannel } from '../../../lib/train/data/alpha.ts';
import { checkDataset } from '../../../lib/train/data/check.ts';
import { imageFolder, readClasses } from '../../../lib/train/data/folder.ts';
import { imageNotes } from '../../../lib/train/data/image-notes.ts';
import { ImageLoader } from '../../../lib/train/data/loader.ts';
import { fixture } from '../../support.ts';
import { all, encodedImage, temporary, writeTree } from './support.ts';

/** A red image, transparent on its left half. */
function half(format: 'png' | 'webp'): Promise<Buffer> {
  const data = Buffer.from(Array.from({ length: 64 }, (_, i) => [255, 0, 0, i % 8 < 4 ? 0 : 255]).flat());
  return sharp(data, { raw: { width: 8, height: 8, channels: 4 } })
    .toFormat(format, { lossless: true, exact: true })
    .toBuffer();
}

test('transparent pixels become white, black or their hidden color, depending on --background', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'a/1.png': await half('png'), 'b/1.webp': await half('webp') });
  const split = await readClasses(root);
  const options = { size: 8, mode: 'eval', seed: 1 } as const;
  const left = { white: [255, 255, 255], black: [0, 0, 0], drop: [255, 0, 0] };
  for (const [background, wanted] of [...Object.entries(left), [undefined, left.white] as const]) {
    const loader = new ImageLoader(split, {
      ...options,
      ...(background && { background: background as 'white' }),
    });
    const [batch] = await all(loader.batches([Int32Array.of(0, 1)]));
    for (const row of [0, 192]) {
      t.deepEqual([...batch!.images.subarray(row, row + 3)], wanted, background);
      t.deepEqual([...batch!.images.subarray(row + 21, row + 24)], [255, 0, 0]);
    }
    t.is(loader.withAlpha, 2);
    t.deepEqual(imageNotes([loader], { background: 'white' }), [
      '2 images have an alpha channel; transparent pixels are blended with white (background white)',
    ]);
  }
});

test('the first bytes of a file show an alpha channel if and only if its pixels have one', async (t) => {
  const expected = {
    'rgb.png': false,
    'rgba.png': true,
    'gray-alpha.png': true,
    'palette.png': true,
    'gray16-trns.png': true,
    'gray.png': false,
    'rgb.jpg': false,
    'rgb.webp': false,
  };
  for (const [name, alpha] of Object.entries(expected))
    t.is(await hasAlphaChannel(fixture(`images/${name}`)), alpha, name);
  const root = await temporary(t);
  const lossy = await sharp(await half('png'))
    .webp({ quality: 50 })
    .toBuffer();
  await writeTree(root, { 'a/lossless.webp': await half('webp'), 'a/lossy.webp': lossy });
  for (const name of ['lossless', 'lossy'])
    t.true(await hasAlphaChannel(path.join(root, 'a', `${name}.webp`)), name);
});

test('data check counts images with alpha, by their first bytes and by their pixels', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'a/1.png': await half('png'),
    'a/2.jpg': await encodedImage(1),
    'b/1.webp': await half('webp'),
    'b/2.jpg': '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
  });
  const dataset = await imageFolder(root);
  for (const decode of [false, true]) {
    const { alpha, unreadable } = await checkDataset(dataset, { decode });
    t.is(alpha, 2);
    t.deepEqual(
      unreadable.map(({ path: file }) => path.basename(file)),
      ['2.jpg'],
    );
    t.regex(unreadable[0]!.reason, /the content is not JPEG/);
  }
  const { unreadable } = await checkDataset(dataset, { decode: true, maxPixels: 64 });
  t.deepEqual(
    unreadable.map(({ path: file }) => path.relative(root, file)),
    ['a/2.jpg', 'b/2.jpg'],
  );
});

test('reads the headers of evenly spaced images', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'opaque.jpg': await encodedImage(1),
    'alpha.png': await half('png'),
    'broken.png': 'x',
  });
  const [opaque, alpha, broken, missing] = ['opaque.jpg', 'alpha.png', 'broken.png', 'missing.png'].map(
    (name) => ({ path: path.join(root, name), label: 0 }),
  );
  t.deepEqual(await alphaIn([opaque!, alpha!, alpha!, broken!, missing!]), { alpha: 2, read: 3 });
  const many = Array.from({ length: 1000 }, (_, i) => (i < 500 ? opaque! : alpha!));
  t.deepEqual(await alphaIn(many), { alpha: 100, read: 200 });
});

if (process.platform !== 'win32') {
  test('training and data check skip named pipes, devices and folders without waiting', async (t) => {
    const root = await temporary(t);
    await writeTree(root, { 'a/1.png': await half('png'), 'b/1.png': await half('png') });
    execFileSync('mkfifo', [path.join(root, 'a', 'pipe.jpg')]);
    await symlink('/dev/zero', path.join(root, 'a', 'zero.jpg'));
    const split = await readClasses(root);
    const start = performance.now();
    const loader = new ImageLoader(split, { size: 8, mode: 'train', seed: 1 });
    const [batch] = await all(loader.batches([Int32Array.from(split.samples.keys())]));
    t.is(batch!.count, 4);
    t.deepEqual(
      loader.skipped.map(({ path: file, reason }) => [path.basename(file), reason]),
      [
        ['pipe.jpg', 'it is not a regular file'],
        ['zero.jpg', 'it is not a regular file'],
      ],
    );
    const { unreadable } = await checkDataset(await imageFolder(root));
    t.is(unreadable.length, 2);
    t.true(performance.now() - start < 5000);
  });

  test('a sparse file with the first bytes of an image is skipped before memory is allocated', async (t) => {
    const root = await temporary(t);
    const file = path.join(root, 'a.png');
    await writeFile(file, await half('png'));
    await truncate(file, 1_400_000_000);
    if ((await stat(file)).blocks > 1000) return t.pass(); // this file system does not support sparse files
    const before = process.resourceUsage().maxRSS;
    await t.throwsAsync(readImageFile(file, defaultMaxPixels), {
      code: 'ERR_HOROBALL_PICTURE',
      message: /1400000000 bytes of which \d+ are on the disk/,
    });
    t.true(process.resourceUsage().maxRSS - before < 100_000);
  });
}
