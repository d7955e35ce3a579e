import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { random } from '../../lib/random.ts';

/** Side of the images in pixels. */
export const side = 24;

/**
 * Writes a folder of images per class. A class has two colors and an edge direction; its images have different edge
 * positions and noise.
 *
 * @param names - the class folders, such as `a` or `animals/owls`
 */
export async function writeImages(root: string, names: readonly string[], images: number): Promise<void> {
  for (const [label, name] of names.entries()) {
    await mkdir(join(root, name), { recursive: true });
    for (let i = 0; i < images; i++) {
      const image = sharp(drawImage(label, i), { raw: { width: side, height: side, channels: 3 } });
      await image.jpeg({ quality: 95 }).toFile(join(root, name, `${i}.jpg`));
    }
  }
}

/** Draws one image of a class, and returns its RGB bytes. */
export function drawImage(label: number, index: number): Uint8Array {
  const look = random(1, label);
  const colors = [0, 1].map(() => [0, 1, 2].map(() => 255 * look()));
  const angle = Math.PI * look();
  const next = random(2, label, index);
  const shift = 0.3 * (next() - 0.5);
  const out = new Uint8Array(side * side * 3);
  for (let p = 0; p < side * side; p++) {
    const [x, y] = [(p % side) / side - 0.5, Math.floor(p / side) / side - 0.5];
    const half = x * Math.cos(angle) + y * Math.sin(angle) > shift ? 1 : 0;
    for (let k = 0; k < 3; k++)
      out[3 * p + k] = Math.max(0, Math.min(255, colors[half]![k]! + 90 * (next() - 0.5)));
  }
  return out;
}

/** `count` class names: class-00, class-01, ... */
export function classNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `class-${String(i).padStart(2, '0')}`);
}

/** Creates a temporary folder, and returns it with a function that removes it. */
export async function temporary(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'horoball-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The files of a run folder, sorted, without TensorBoard's event file, whose name contains the time. */
export async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !name.startsWith('events.out.tfevents.')).sort();
}

/** Options of a run on a folder of 32 classes that takes a second or two: four patches, one step per epoch. */
export const tinyRun = {
  ds: 'folder',
  model: 'vit_nano',
  freeze: null,
  crop: 16,
  resize: 18,
  emb: 16,
  num_samples: 2,
  bs: 32,
  lr: 3e-4,
  ep: 24,
  eval_ep: '[0]+[24]',
  workers: 2,
} as const;
