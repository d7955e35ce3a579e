import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Coded, coded, rangeError, typeError } from '../../errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { naming } from '../../io/trouble.ts';
import { random } from '../../random.ts';
import type { Dataset } from './dataset.ts';
import { loadSharp } from './decoders.ts';
import { halves, readClasses } from './folder.ts';
import { drawPicture } from './shapes-draw.ts';
import { classTree, generaPerFamily, type Species, speciesPerGenus } from './shapes-tree.ts';
import { usualKs } from './split.ts';

/** Raised whenever the same seed gives other pictures. */
const version = 1;
const manifestName = 'shapes.json';
const jpegQuality = 90;
/** Pictures drawn at a time: librsvg is one thread a picture. */
const concurrency = 4;
const classesPerFamily = generaPerFamily * speciesPerGenus;

/** See {@link makeShapes}. */
export interface ShapesOptions {
  /** Any integer; equal seeds give equal pictures. */
  seed: number;
  /** Default 128; a multiple of 32, so that both halves are whole families. */
  classes?: number | undefined;
  /** Pictures of each class; default 20. */
  pictures?: number | undefined;
  /** Side of a picture in pixels; default 64. */
  size?: number | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborting it rejects with the signal's reason and leaves nothing behind. */
  signal?: AbortSignal | undefined;
}

/** What decides every byte of the data set; kept beside the pictures. */
interface Manifest {
  version: number;
  seed: number;
  classes: number;
  pictures: number;
  size: number;
}

/**
 * Makes the built-in data set: drawn creatures in a class tree (family, genus, species) whose outline, texture,
 * parts, mark and colours are inherited with variation, each picture in its own pose, light, clutter and occlusion.
 * The pictures are JPEG files in a folder tree below `root`; the first half of the families is to train on.
 *
 * The folder appears complete or not at all (it is made beside `root`, then renamed). When `root` already holds what
 * is asked for, nothing is done; when it holds shapes made otherwise, they are replaced.
 *
 * @throws `ERR_HOROBALL_DATA_LAYOUT` when `root` holds something else
 */
export async function makeShapes(root: string, options: ShapesOptions): Promise<void> {
  const manifest = checkedManifest(options);
  const where = path.resolve(root);
  const found = await readManifest(where);
  if (found !== undefined && isSame(found, manifest)) return;
  if (found === undefined) await refuseForeignFolder(where);
  options.signal?.throwIfAborted();

  const partial = `${where}.partial-${randomUUID()}`;
  try {
    await naming(where, drawAll(partial, manifest, options));
    await naming(
      where,
      writeFile(path.join(partial, manifestName), `${JSON.stringify(manifest, null, 2)}\n`),
    );
    await take(partial, where, manifest);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** The data set that {@link makeShapes} made in `root`. */
export async function shapes(root: string): Promise<Dataset> {
  const where = path.resolve(root);
  if ((await readManifest(where)) === undefined) {
    throw coded(
      'ERR_HOROBALL_DATA_LAYOUT',
      `${where} does not hold the built-in data set; make it with npx horoball start or, in a program, with makeShapes`,
    );
  }
  const splits = halves(await readClasses(where), where);
  return { name: 'shapes', root: where, ...splits, ks: usualKs, warnings: [] };
}

function checkedManifest({ seed, classes = 128, pictures = 20, size = 64 }: ShapesOptions): Manifest {
  const whole = { seed, classes, pictures, size };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isSafeInteger(value)) throw typeError('makeShapes', name, 'an integer', value);
  }
  const both = 2 * classesPerFamily;
  if (classes < both || classes % both !== 0) {
    throw rangeError('makeShapes', 'classes', `a multiple of ${both} above 0`, classes);
  }
  if (pictures < 1) throw rangeError('makeShapes', 'pictures', '1 or more', pictures);
  if (size < 16 || size > 1024) throw rangeError('makeShapes', 'size', '16 to 1024 pixels', size);
  return { version, ...whole };
}

async function readManifest(root: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(path.join(root, manifestName), 'utf8')) as Manifest;
  } catch {
    return undefined; // not there, or not ours
  }
}

function isSame(a: Manifest, b: Manifest): boolean {
  return (Object.keys(b) as (keyof Manifest)[]).every((key) => a[key] === b[key]);
}

/** Puts a folder that is ready in its place, unless another process has put the same there and may be reading it. */
async function take(partial: string, where: string, manifest: Manifest): Promise<void> {
  const found = await readManifest(where);
  if (found === undefined)
    await rmdir(where).catch(() => {}); // it is empty, or not there
  else if (isSame(found, manifest)) return;
  else await rm(where, { recursive: true, force: true });
  await rename(partial, where).catch(async (error) => {
    const faster = await readManifest(where);
    if (faster === undefined || !isSame(faster, manifest)) throw error;
  });
}

async function refuseForeignFolder(root: string): Promise<void> {
  const names = await readdir(root).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw foreign(root, cause);
  });
  if (names.length > 0) throw foreign(root);
}

function foreign(root: string, cause?: unknown): Coded {
  const message = `${root} is something else than the built-in data set; name a folder that does not exist yet`;
  return Object.assign(coded('ERR_HOROBALL_DATA_LAYOUT', message), { cause });
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
  let [started, done] = [0, 0];
  const drawRest = async (): Promise<void> => {
    while (started < total) {
      signal?.throwIfAborted();
      const label = Math.floor(started / manifest.pictures);
      const picture = started++ % manifest.pictures;
      const svg = drawPicture(species[label]!, random(manifest.seed, 4, label, picture), manifest.size);
      const jpeg = await sharp(Buffer.from(svg)).jpeg({ quality: jpegQuality }).toBuffer();
      const name = `${String(picture + 1).padStart(3, '0')}.jpg`;
      await writeFile(path.join(classFolder(folder, species[label]!), name), jpeg);
      onProgress?.(++done, total);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: concurrency }, drawRest));
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
}

function classFolder(root: string, { family, genus, name }: Species): string {
  return path.join(root, family, genus, name);
}
