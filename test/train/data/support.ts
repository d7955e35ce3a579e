// Helpers for tests of the data layer: temporary folders and small images.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { loadSharp } from '../../../lib/io/sharp.ts';
import { random } from '../../../lib/random.ts';
import type { Split } from '../../../lib/train/data/types.ts';

/** Creates a temporary folder, which is removed when the test ends. */
export async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'horoball-data-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An image of coarse noise, as a file of the given format; equal seeds give equal bytes. */
export async function encodedImage(
  seed: number,
  width = 40,
  height = 30,
  format: 'jpeg' | 'png' = 'jpeg',
): Promise<Buffer> {
  const sharp = await loadSharp();
  const next = random(seed);
  const noise = Buffer.from(Uint8Array.from({ length: 3 * 16 }, () => 256 * next()));
  return sharp(noise, { raw: { width: 4, height: 4, channels: 3 } })
    .resize(width, height, { fit: 'fill' })
    .toFormat(format)
    .toBuffer();
}

/** Writes files below a folder; the keys are relative paths. */
export async function writeTree(root: string, files: Record<string, Buffer | string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

/** Writes `classes` folders of `count` JPEG images each, all different. */
export async function writeClasses(
  root: string,
  classes: number,
  count: number,
  width = 40,
  height = 30,
): Promise<void> {
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < count; i++) {
      await writeTree(root, { [`class${c}/${i}.jpg`]: await encodedImage(100 * c + i, width, height) });
    }
  }
}

/** Collects the items of an async iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Class and file name of every image. */
export function imageNames({ classes, samples }: Split): string[] {
  return samples.map(({ path: file, label }) => `${classes[label]}: ${path.basename(file)}`);
}
