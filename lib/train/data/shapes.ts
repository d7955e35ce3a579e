import path from 'node:path';
import { checkSignal } from '../../call/run.ts';
import { checkCallback, filePath, integer, readOptions } from '../../check.ts';
import { coded, quoted, rangeError, typeError } from '../../errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { loadSharp } from '../../io/sharp.ts';
import { writeWhole } from '../../io/thread-file.ts';
import { random } from '../../random.ts';
import { halves, readClasses } from './folder.ts';
import { lostWarnings, makeFolder, readManifest } from './made-folder.ts';
import { inParallel } from './parallel.ts';
import { drawImage } from './shapes-draw.ts';
import { classTree, generaPerFamily, type Species, speciesPerGenus } from './shapes-tree.ts';
import { defaultKs } from './split.ts';
import type { Dataset, DatasetRecord } from './types.ts';

/** Seed of the images, independent of the seed of a run. */
const defaultSeed = 42;
/** Version of the generator, incremented when it produces different images from the same seed. */
const version = 1;
const manifestName = 'shapes.json';
const jpegQuality = 90;
/** Number of images drawn concurrently; librsvg uses one thread per image. */
const concurrency = 4;
/** Maximum number of classes; a larger number is most likely a mistake. */
const maxClasses = 2 ** 16;
const maxImages = 10_000;
const classesPerFamily = generaPerFamily * speciesPerGenus;

/** Options of {@link makeShapes}. */
export interface ShapesOptions {
  /** Random seed, any integer. The same seed gives the same images. */
  seed: number;
  /** Number of classes, up to 65,536; default 128. A multiple of 32, so that both splits have complete families. */
  classes?: number | undefined;
  /** Images per class, 1 to 10,000; default 20. */
  images?: number | undefined;
  /** An alias of `images`. */
  pictures?: number | undefined;
  /** Side length of an image in pixels, from 16 to 1024; default 64. */
  size?: number | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** If the signal is aborted, the promise rejects with its reason, and no files remain. */
  signal?: AbortSignal | undefined;
}

/** Parameters that determine every byte of the data set, stored next to the images. */
interface Manifest {
  version: number;
  seed: number;
  classes: number;
  /** Images per class. The name is part of the file format. */
  pictures: number;
  size: number;
}

/**
 * Generates the built-in data set: synthetic creatures in a class tree (family, genus, species). Species inherit outline,
 * parts, texture and colors with variation, and differ in their marks. Each image has a random pose, light, background
 * clutter and occlusion. The images are JPEG files in a folder tree below `root`; the first half of the families is for
 * training.
 *
 * The folder is created atomically. Does nothing if `root` already contains the requested data set, and replaces one that
 * was generated with other options, unless it has other files, too.
 *
 * @throws TypeError `ERR_HOROBALL_TYPE` or RangeError `ERR_HOROBALL_RANGE` for an invalid option;
 * `ERR_HOROBALL_DATA_LAYOUT` if `root` has other contents or is a mount point; `ERR_HOROBALL_NO_DECODER` if sharp is not
 * installed
 * @example
 * await makeShapes('data/shapes', { seed: 42 });
 */
export async function makeShapes(root: string, given: ShapesOptions): Promise<void> {
  filePath('makeShapes', 'root', root);
  const options = readOptions('makeShapes', given, shapesNames);
  const manifest = checkedManifest(options);
  const { signal, onProgress } = options;
  checkSignal('makeShapes', signal);
  checkCallback('makeShapes', 'onProgress', onProgress);
  const what = 'the built-in data set';
  const isOwn = (name: string): boolean => /^family-\d+$/.test(name);
  await makeFolder(root, { manifestName, manifest, isOwn, what, signal }, async (folder) => {
    await drawAll(folder, manifest, options);
    return {};
  });
}

export const shapes: DatasetRecord = {
  name: 'shapes',
  description: 'the built-in data set of synthetic creatures, generated if missing',
  generate: generateMissing,
  open,
};

/** Generates the images, unless the folder has generated ones, even with other options: a run may have used these. */
async function generateMissing(
  root: string,
  hooks: Parameters<NonNullable<DatasetRecord['generate']>>[1],
): Promise<void> {
  if ((await readManifest(path.resolve(root), manifestName)) === undefined)
    await makeShapes(root, { seed: defaultSeed, ...hooks });
}

async function open(root: string): Promise<Dataset> {
  const where = path.resolve(root);
  const manifest = await readManifest(where, manifestName);
  if (manifest === undefined) {
    throw coded(
      'ERR_HOROBALL_DATA_LAYOUT',
      `[data] path: expected the built-in data set, got ${where}. Create it with npx horoball start or, in code, with makeShapes.`,
    );
  }
  const { train, test } = halves(await readClasses(where), where);
  const levels = ['genus', 'family'];
  const splits = { train: { ...train, levels }, test: { ...test, levels } };
  const wanted = Number(manifest['classes']) * Number(manifest['pictures']);
  const warnings = lostWarnings(where, wanted, splits);
  return { name: 'shapes', root: where, ...splits, ks: [...defaultKs], warnings };
}

const shapesNames = [
  'seed',
  'classes',
  'images',
  'pictures',
  'size',
  'onProgress',
  'signal',
] as const satisfies (keyof ShapesOptions)[];

function checkedManifest(options: ShapesOptions): Manifest {
  const { seed, classes = 128, size = 64, pictures: alias, images = alias ?? 20 } = options;
  if (alias !== undefined && alias !== images)
    throw rangeError('makeShapes', 'pictures', `${images}, the value of images`, alias);
  for (const [name, value] of Object.entries({ seed, classes, images, size })) {
    if (!Number.isSafeInteger(value)) throw typeError('makeShapes', name, 'an integer', quoted(value));
  }
  const both = 2 * classesPerFamily;
  if (classes < both || classes > maxClasses || classes % both !== 0) {
    const expected = `a multiple of ${both} from ${both} to ${maxClasses}`;
    throw rangeError('makeShapes', 'classes', expected, classes);
  }
  integer('makeShapes', 'images', images, 1, maxImages);
  if (size < 16 || size > 1024) throw rangeError('makeShapes', 'size', '16 to 1024 pixels', size);
  return { version, seed, classes, pictures: images, size };
}

async function drawAll(
  folder: string,
  manifest: Manifest,
  { onProgress, signal }: ShapesOptions,
): Promise<void> {
  const species = classTree(manifest.seed, manifest.classes / classesPerFamily);
  for (const each of species) await ensureFolder(classFolder(folder, each));
  const sharp = await loadSharp();
  const total = manifest.classes * manifest.pictures;
  let done = 0;
  await inParallel(total, concurrency, async (index) => {
    signal?.throwIfAborted();
    const label = Math.floor(index / manifest.pictures);
    const number = index % manifest.pictures;
    const svg = drawImage(species[label]!, random(manifest.seed, 4, label, number), manifest.size);
    const jpeg = await sharp(Buffer.from(svg)).jpeg({ quality: jpegQuality }).toBuffer();
    const name = `${String(number + 1).padStart(3, '0')}.jpg`;
    await writeWhole(path.join(classFolder(folder, species[label]!), name), jpeg);
    await onProgress?.(++done, total);
  });
}

function classFolder(root: string, { family, genus, name }: Species): string {
  return path.join(root, family, genus, name);
}
