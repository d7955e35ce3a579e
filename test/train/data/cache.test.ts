import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs, { existsSync } from 'node:fs';
import {
  copyFile,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { Pixels } from '../../../lib/image/resample.ts';
import { decoderVersion } from '../../../lib/io/sharp.ts';
import { type ImageCache, openCache } from '../../../lib/train/data/cache.ts';
import { readClasses } from '../../../lib/train/data/folder.ts';
import { ImageLoader } from '../../../lib/train/data/loader.ts';
import { all, encodedImage, temporary, writeClasses, writeTree } from './support.ts';

const pixels: Pixels = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 2, height: 1, layout: 'rgb' };

class Missing extends Error {}

/** Returns the cached image of a file; undefined if it is not cached. */
async function get(cache: ImageCache, file: string): Promise<Pixels | undefined> {
  const decode = () => Promise.reject(new Missing());
  return await cache.read(file, decode).catch((error) => {
    if (error instanceof Missing) return undefined;
    throw error;
  });
}

/** Stores the pixels of a file that is not cached. */
async function put(cache: ImageCache, file: string, pixels: Pixels): Promise<void> {
  await cache.read(file, async () => pixels);
}

test('batches are the same without a cache, with one in memory and with one on disk', async (t) => {
  const root = await temporary(t);
  await writeClasses(path.join(root, 'data'), 2, 3);
  await writeTree(root, {
    'data/class0/gray.png': await encodedImage(1, 20, 20, 'png'),
    'data/class1/bad.jpg': 'damaged',
  });
  const split = await readClasses(path.join(root, 'data'));
  const run = async (cache: string | undefined): Promise<string[]> => {
    const loader = new ImageLoader(split, { size: 16, mode: 'train', seed: 1, cache });
    const lists = Array.from({ length: 3 }, () => Int32Array.from(split.samples.keys()));
    const batches = await all(loader.batches(lists));
    t.is(loader.skipped.length, 1);
    return batches.map(({ images }) => Buffer.from(images).toString('base64'));
  };
  const plain = await run(undefined);
  t.deepEqual(await run('memory'), plain);
  const folder = path.join(root, 'cache');
  t.deepEqual(await run(folder), plain);
  t.is((await readdir(folder)).length, 7, 'the damaged one is not kept');
  t.deepEqual(await run(folder), plain);
});

test('a changed image and a truncated cache file are decoded again', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  await writeFile(file, 'first');
  const cache = await openCache(path.join(root, 'cache'));
  t.is(await get(cache, file), undefined);
  await put(cache, file, pixels);
  t.deepEqual(
    { ...(await get(cache, file))!, data: [1, 2, 3, 4, 5, 6] },
    { ...pixels, data: [1, 2, 3, 4, 5, 6] },
  );
  const [kept] = await readdir(path.join(root, 'cache'));
  for (const torn of ['', 'HBP4', `HBP4${'\0'.repeat(17)}`, `HBP4${'\xff'.repeat(30)}`]) {
    await writeFile(path.join(root, 'cache', kept!), torn, 'latin1');
    t.is(await get(cache, file), undefined, JSON.stringify(torn));
  }
  await put(cache, file, pixels);
  await writeFile(file, 'second, longer');
  t.is(await get(cache, file), undefined);
});

test('an image that is replaced by one of the same size and modification time is decoded again', async (t) => {
  const root = await temporary(t);
  const [file, other] = ['a.bmp', 'b.bmp'].map((name) => path.join(root, name)) as [string, string];
  const cache = await openCache(path.join(root, 'cache'));
  for (const each of [file, other]) {
    await writeFile(each, path.basename(each));
    await utimes(each, 1e9, 1e9); // as by unpacking an archive
    await put(cache, each, pixels);
    t.not(await get(cache, each), undefined);
  }
  await setTimeout(20); // the clock of the file system may have this resolution
  await rename(other, file);
  t.is(await get(cache, file), undefined);
});

test('the key of an image contains the version of the decoder', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  await writeFile(file, 'first');
  const cache = await openCache(path.join(root, 'cache'));
  await put(cache, file, pixels);
  const { size, mtimeMs, ctimeMs } = await stat(file);
  t.regex(decoderVersion() ?? '', /^sharp-\d+\.[\w.-]+\+vips-\d+\.[\w.-]+$/);
  const key = [file, size, mtimeMs, ctimeMs, decoderVersion()].join('\0');
  const name = createHash('sha256').update(key).digest('hex').slice(0, 40);
  t.deepEqual(await readdir(path.join(root, 'cache')), [`${name}.pixels`]);
});

test('a cache file under the name of another one is not used', async (t) => {
  const root = await temporary(t);
  const [file, other] = ['a.jpg', 'b.jpg'].map((name) => path.join(root, name)) as [string, string];
  const cache = await openCache(path.join(root, 'cache'));
  await writeFile(file, 'first');
  await put(cache, file, pixels);
  const [kept] = await readdir(path.join(root, 'cache'));
  await writeFile(other, 'second');
  await put(cache, other, pixels);
  const [name] = (await readdir(path.join(root, 'cache'))).filter((each) => each !== kept);
  await rename(path.join(root, 'cache', name!), path.join(root, 'cache', kept!));
  t.is(await get(cache, file), undefined);
});

test('an image that is replaced while it is decoded is decoded again, and so is the one that it replaced', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  const cache = await openCache(path.join(root, 'cache'));
  const replace = async (): Promise<void> => {
    await rename(file, path.join(root, 'old.jpg'));
    await writeFile(file, 'second, longer');
  };
  await writeFile(file, 'first');
  const second = { ...pixels, width: 1, height: 2 };
  // Two rows of a batch with the same image: the second read begins after the file was replaced.
  await cache.read(file, async () => {
    await replace();
    await cache.read(file, async () => second);
    return pixels;
  });
  t.is((await get(cache, file))?.height, 2);
  await rename(path.join(root, 'old.jpg'), file);
  t.is(await get(cache, file), undefined);
  const removed = cache.read(file, async () => {
    await rm(file);
    return pixels;
  });
  t.is(await removed, pixels);
});

test('pipes, links and sparse files in a cache folder are replaced without being read', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  await writeFile(file, 'image');
  const cache = await openCache(path.join(root, 'cache'));
  await put(cache, file, pixels);
  const kept = path.join(root, 'cache', (await readdir(path.join(root, 'cache')))[0]!);
  const outside = path.join(root, 'outside');
  await rename(kept, outside);
  const before = process.resourceUsage().maxRSS;
  for (const replace of [
    () => execFileSync('mkfifo', [kept]),
    () => symlink(outside, kept),
    async () => {
      await copyFile(outside, kept);
      await truncate(kept, 2 ** 30);
    },
  ]) {
    await replace();
    t.is(await get(cache, file), undefined);
    await put(cache, file, pixels);
    t.is((await get(cache, file))?.width, 2);
    await rm(kept);
  }
  t.true(process.resourceUsage().maxRSS - before < 100_000);
});

const hasProc = existsSync('/proc/self');
(hasProc ? test : test.skip)('an impossible folder is rejected immediately', async (t) => {
  await t.throwsAsync(openCache('/proc/horoball/cache'), { code: 'ERR_HOROBALL_CACHE' });
});

test('a memory cache stays within its limit and copies the pixels', async (t) => {
  const cache = await openCache('memory', 10);
  const first = { ...pixels, data: Uint8Array.from(pixels.data) };
  await put(cache, 'a', first);
  await put(cache, 'b', pixels);
  first.data.fill(0);
  t.deepEqual((await get(cache, 'a'))!.data, pixels.data);
  t.is(await get(cache, 'b'), undefined);
});

test('an unwritable cache causes a cache error, and its images do not count as unreadable', async (t) => {
  const root = await temporary(t);
  await writeClasses(path.join(root, 'data'), 1, 2);
  await writeTree(root, { file: '' });
  const split = await readClasses(path.join(root, 'data'));
  const loader = new ImageLoader(split, {
    size: 16,
    mode: 'eval',
    seed: 1,
    cache: path.join(root, 'file/below'),
  });
  await t.throwsAsync(all(loader.batches([Int32Array.of(0)])), { code: 'ERR_HOROBALL_CACHE' });
  t.deepEqual(loader.skipped, []);
});

test('a cache whose folder was replaced by a file causes a cache error', async (t) => {
  const root = await temporary(t);
  const folder = path.join(root, 'cache');
  const cache = await openCache(folder);
  await rm(folder, { recursive: true });
  await writeTree(root, { cache: '', 'a.jpg': 'first' });
  await t.throwsAsync(put(cache, path.join(root, 'a.jpg'), pixels), { code: 'ERR_HOROBALL_CACHE' });
});

test('a cached image with a flipped bit is decoded again', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  await writeFile(file, 'first');
  const cache = await openCache(path.join(root, 'cache'));
  await put(cache, file, pixels);
  const [name] = await readdir(path.join(root, 'cache'));
  const kept = path.join(root, 'cache', name!);
  const whole = await readFile(kept);
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const changed = Buffer.from(whole);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(kept, changed);
    t.is(await get(cache, file), undefined, `bit ${bit}`);
  }
  await writeFile(kept, whole);
  t.deepEqual(await get(cache, file), { ...pixels, data: Buffer.from(pixels.data) });
});

test('a cached image without pixels is decoded again', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'a.jpg');
  await writeFile(file, 'first');
  const cache = await openCache(path.join(root, 'cache'));
  await put(cache, file, { data: new Uint8Array(0), width: 0, height: 7, layout: 'rgb' });
  t.is(await get(cache, file), undefined);
});

test('opening a cache removes the temporary files of killed processes, and no others', async (t) => {
  const folder = await temporary(t);
  const named = (end: string): string => `${'0a'.repeat(20)}.pixels${end}`;
  const left = (): string => named(`.${crypto.randomUUID()}`);
  const [recent, killed] = [left(), [left(), left()]];
  const others = [named(''), named('.notes'), `photo.pixels.${crypto.randomUUID()}`];
  for (const name of [recent, ...killed, ...others]) await writeFile(path.join(folder, name), '');
  const twoHoursAgo = Date.now() / 1000 - 7200;
  for (const name of [...killed, ...others]) await utimes(path.join(folder, name), twoHoursAgo, twoHoursAgo);
  await Promise.all([openCache(folder), openCache(folder)]);
  t.deepEqual((await readdir(folder)).sort(), [recent, ...others].sort());
});

test('a temporary file that another process removed is not an error: its image is not cached', async (t) => {
  const root = await temporary(t);
  const [folder, file] = [path.join(root, 'cache'), path.join(root, 'a.jpg')];
  await writeFile(file, 'first');
  const cache = await openCache(folder);
  const original = fs.promises.rename;
  fs.promises.rename = async (from, to) => {
    if (String(from).startsWith(root)) await rm(from);
    return await original(from, to);
  };
  syncBuiltinESMExports();
  try {
    await put(cache, file, pixels);
  } finally {
    fs.promises.rename = original;
    syncBuiltinESMExports();
  }
  t.deepEqual([await readdir(folder), await get(cache, file)], [[], undefined]);
});
