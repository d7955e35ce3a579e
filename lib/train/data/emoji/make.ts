import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { checkSignal } from '../../../call/run.ts';
import { boolean, checkCallback, filePath, readOptions } from '../../../check.ts';
import { type Coded, coded, quoted, rangeError, typeError } from '../../../errors.ts';
import { ensureFolder } from '../../../io/folder.ts';
import { damaged } from '../../../io/json.ts';
import { loadSharp } from '../../../io/sharp.ts';
import { makeFolder, readManifest } from '../made-folder.ts';
import { inParallel } from '../parallel.ts';
import { licenses } from './licenses.ts';
import { emojiLists, type Image, listNames, parts } from './lists.ts';
import { type EmojiClass, type Matched, matchClasses, matchExtra } from './match.ts';
import { fetchPackages, locatePackage } from './npm.ts';
import { benchmarkSets, type EmojiSet, extraSets, type Pinned, unicodeData } from './packages.ts';
import { type Drawings, readDrawings, readUnicode } from './read.ts';
import { Renderer } from './renderer.ts';
import type { Drawing } from './svg.ts';

/** Version of the generator, incremented when it produces different images or splits from the same packages. */
const version = 1;
export const manifestName = 'emoji.json';
const what = 'the emoji data set';
const licensesName = 'LICENSES.md';
const ownNames: ReadonlySet<string> = new Set([...parts, ...Object.values(listNames), licensesName]);
const isOwn = (name: string): boolean => ownNames.has(name);

/** Options of {@link makeEmoji}. */
export interface EmojiOptions {
  /** Side length of an image in pixels, 16 to 1024; default 96. */
  size?: number | undefined;
  /** Seed of the splits; default 42, as in the benchmark. */
  seed?: number | undefined;
  /** A folder that contains the npm packages; by default npm downloads them. */
  from?: string | undefined;
  /** Also render the sets outside the benchmark, to `extra` and `extra.csv`; default false. */
  all?: boolean | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Receives messages about downloads, package versions that are not the pinned ones, and images that cannot be rendered. */
  onNote?: ((text: string) => void) | undefined;
  /** If the signal is aborted, the promise rejects with its reason, and no files remain. */
  signal?: AbortSignal | undefined;
}

const emojiNames = [
  'size',
  'seed',
  'from',
  'all',
  'onProgress',
  'onNote',
  'signal',
] as const satisfies (keyof EmojiOptions)[];

/** Contents of an emoji folder. */
export interface EmojiCounts {
  classes: number;
  /** Number of images in the benchmark. */
  images: number;
  /** Number of images of additional sets. */
  extra: number;
  /** Number of emoji omitted because a set has the same drawing for an earlier emoji. */
  duplicates: number;
  /** Number of emoji omitted because a set has no drawing of them, or one that cannot be rendered. */
  incomplete: number;
}

const count = z.int().min(0);
/** Schema of the counts that the manifest contains in addition to its parameters. */
const countsSchema = z.object({
  classes: count,
  images: count,
  extra: count,
  duplicates: count,
  incomplete: count,
}) satisfies z.ZodType<EmojiCounts>;
const manifestAdvice = 'it lacks the counts of its images. Delete the folder to create it again.';

/**
 * Creates the `emoji` data set: each class is one emoji in the styles of Noto, Twemoji, OpenMoji and Fluent, in the class
 * tree of Unicode's groups and subgroups. Packages come from npm at pinned versions, or from a folder.
 *
 * The folder is created atomically. Does nothing if `root` already contains the requested data set, and replaces one that
 * was made with other options, unless it has other files, too.
 *
 * @returns the contents of the folder, and whether this call created it (`fresh`)
 * @throws `ERR_HOROBALL_DOWNLOAD` if npm fails; `ERR_HOROBALL_DATA_READ` if a package is missing; `ERR_HOROBALL_FORMAT` if
 * one is damaged; `ERR_HOROBALL_DATA_EMPTY` if the sets have fewer than two emoji in common, or fewer can be rendered;
 * `ERR_HOROBALL_DATA_LAYOUT` if `root` has other contents or is a mount point; `ERR_HOROBALL_NO_DECODER` if sharp is not installed
 * @example
 * const { classes } = await makeEmoji('data/emoji');
 */
export async function makeEmoji(
  root: string,
  given: EmojiOptions = {},
): Promise<EmojiCounts & { fresh: boolean }> {
  const operation = 'makeEmoji';
  const options = readOptions(operation, given, emojiNames);
  filePath(operation, 'root', root);
  const { size = 96, seed = 42, all = false, signal, from, onProgress, onNote } = options;
  boolean(operation, 'all', all, false);
  checkSignal(operation, signal);
  if (from !== undefined) filePath(operation, 'from', from);
  for (const [name, each] of Object.entries({ onProgress, onNote })) checkCallback(operation, name, each);
  for (const [name, value] of Object.entries({ size, seed }))
    if (!Number.isSafeInteger(value)) throw typeError('makeEmoji', name, 'an integer', quoted(value));
  if (size < 16 || size > 1024) throw rangeError('makeEmoji', 'size', '16 to 1024 pixels', size);
  const pinned = [unicodeData, ...setsOf(all)];
  const packages = await versionsOf(pinned, options);
  const manifest = { version, size, seed, all, packages };
  const resolved = { ...options, size, seed, all };
  const fresh = await makeFolder(root, { manifestName, manifest, isOwn, what, signal }, async (folder) => {
    if (options.from !== undefined) return await fill(folder, options.from, resolved);
    const fetched = await mkdtemp(path.join(tmpdir(), 'horoball-emoji-'));
    try {
      await options.onNote?.(`Fetching ${pinned.length} packages through npm.`);
      await fetchPackages(fetched, pinned, signal);
      return await fill(folder, fetched, resolved);
    } finally {
      await rm(fetched, { recursive: true, force: true });
    }
  });
  const where = path.resolve(root);
  const found = countsSchema.safeParse(await readManifest(where, manifestName));
  if (!found.success) throw damaged(path.join(where, manifestName), manifestAdvice);
  return { ...found.data, fresh };
}

/** Returns the versions of the packages, and reports those that differ from the pinned ones. */
async function versionsOf(
  pinned: readonly Pinned[],
  { from, onNote }: EmojiOptions,
): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const each of pinned) {
    const found = from === undefined ? each.version : (await locatePackage(from, each)).version;
    versions[each.name] = found;
    if (found !== each.version)
      await onNote?.(
        `${each.name} is version ${found}, but the benchmark uses ${each.version}: results are not comparable`,
      );
  }
  return versions;
}

type Resolved = EmojiOptions & { size: number; seed: number; all: boolean };

async function fill(folder: string, from: string, options: Resolved): Promise<EmojiCounts> {
  const { matched, work } = await planned(from, options.all);
  if (matched.classes.length < 2) throw tooFewInCommon(options.from, matched.classes.length);
  const failed = await renderAll(folder, work, options);
  const lost = new Set(failed.filter(({ part }) => part === 'images').map(({ label }) => label));
  for (const part of parts)
    for (const label of lost) await rm(path.join(folder, part, label), { recursive: true, force: true });
  const rendered = work.filter((image) => !failed.includes(image) && !lost.has(image.label));
  for (const [name, text] of Object.entries(emojiLists(rendered, options.seed)))
    await writeFile(path.join(folder, name), text);
  await writeFile(path.join(folder, licensesName), await licenses(from, setsOf(options.all)));
  const images = rendered.filter(({ part }) => part === 'images').length;
  const classes = images / benchmarkSets.length;
  if (classes < 2) throw tooFewRendered(classes);
  const { duplicates, incomplete } = matched;
  return { classes, images, extra: rendered.length - images, duplicates, incomplete: incomplete + lost.size };
}

/** @param from - the folder that the caller named; undefined for downloaded packages */
function tooFewInCommon(from: string | undefined, classes: number): Coded {
  const pinned = [unicodeData, ...benchmarkSets]
    .map(({ name, version: wanted }) => `${name}@${wanted}`)
    .join(' ');
  const [argument, where] = from === undefined ? ['packages', ''] : ['--from', ` in ${from}`];
  const fix = from === undefined ? 'Try again.' : `Run npm install ${pinned} there.`;
  const message = `[data emoji] ${argument}: expected two or more emoji that all sets contain, got ${classes}${where}. ${fix}`;
  return coded('ERR_HOROBALL_DATA_EMPTY', message);
}

function tooFewRendered(classes: number): Coded {
  const message = `[data emoji] images: expected two or more emoji that can be rendered, got ${classes}. See the notes for the reasons. If no image can be rendered, reinstall sharp with: npm install sharp`;
  return coded('ERR_HOROBALL_DATA_EMPTY', message);
}

/** Returns the matched emoji, and every image to render. */
async function planned(from: string, all: boolean): Promise<{ matched: Matched; work: Work[] }> {
  const emoji = await readUnicode((await locatePackage(from, unicodeData)).folder);
  const read = new Map<string, Drawings>();
  for (const set of setsOf(all))
    read.set(set.id, await readDrawings((await locatePackage(from, set)).folder));
  const matched = matchClasses(
    emoji,
    benchmarkSets.map((set) => ({ set, drawings: read.get(set.id)! })),
  );
  const work = matched.classes.flatMap((each) =>
    [...each.views].map(([set, drawing]) => ({ ...imageOf('images', each, set), drawing })),
  );
  for (const set of all ? extraSets : []) {
    const related = typeof set.codepoints === 'object' ? read.get(set.codepoints.of) : undefined;
    for (const [each, drawing] of matchExtra(matched.classes, set, read.get(set.id)!, related))
      work.push({ ...imageOf('extra', each, set.id), drawing });
  }
  return { matched, work };
}

function setsOf(all: boolean): readonly EmojiSet[] {
  return all ? [...benchmarkSets, ...extraSets] : benchmarkSets;
}

function imageOf(part: Image['part'], { label, emoji }: EmojiClass, set: string): Image {
  return { part, path: `${part}/${label}/${set}.png`, label, set, codepoints: emoji.codepoints };
}

type Work = Image & { drawing: Drawing };

/** Renders all images, and returns those that could not be rendered. */
async function renderAll(folder: string, work: readonly Work[], options: Resolved): Promise<Work[]> {
  const { size, onProgress, onNote, signal } = options;
  await loadSharp();
  for (const parent of new Set(work.map((image) => path.dirname(image.path))))
    await ensureFolder(path.join(folder, parent));
  const failed: Work[] = [];
  let done = 0;
  const renderer = new Renderer();
  const draw = async (index: number): Promise<void> => {
    signal?.throwIfAborted();
    const image = work[index]!;
    try {
      await writeFile(path.join(folder, image.path), await renderer.render(image.drawing, size));
    } catch (error) {
      signal?.throwIfAborted();
      const { code, message } = error as Error & { code?: string };
      if (code !== 'ERR_HOROBALL_PICTURE') throw error;
      failed.push(image);
      await onNote?.(`${image.path} cannot be rendered: ${message}`);
    }
    await onProgress?.(++done, work.length);
  };
  const stop = (): void => renderer.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await inParallel(work.length, availableParallelism() + 1, draw);
  } finally {
    signal?.removeEventListener('abort', stop);
    renderer.close();
  }
  return failed;
}
