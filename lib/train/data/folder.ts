import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { filePath } from '../../check.ts';
import { type Coded, coded } from '../../errors.ts';
import { extensions, isImageName } from '../../image/formats.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { IgnoredFiles } from './ignored-files.ts';
import { classRange, defaultKs, singleImageWarnings } from './split.ts';
import { splitFolders } from './split-folders.ts';
import type { Dataset, DatasetRecord, Split } from './types.ts';

/** Maximum depth of a tree; a deeper one indicates a symbolic link to a folder that contains the link. */
export const maxDepth = 24;
/**
 * Maximum number of paths to the same folder through links. Without a limit, a chain of twenty folders, each with two links
 * to the next, would have a million paths.
 */
const maxPaths = 16;

/**
 * Lists a data set in a folder of class folders, with classes sorted by name as in torchvision's ImageFolder. Subfolders
 * `train` and `test` (or `val`; in any case, or synonyms such as `training`) are the splits, if present. Otherwise the first
 * half of the classes is for training and the second half for testing, as in CUB-200-2011.
 *
 * @param root - path of the folder
 * @throws `ERR_HOROBALL_DATA_READ` if a folder cannot be read; `ERR_HOROBALL_DATA_EMPTY` if there are no classes, or a class
 * has no images; `ERR_HOROBALL_DATA_LAYOUT` if the folders do not form classes or splits
 * @example
 * const { train, test } = await imageFolder('my-images');
 */
export async function imageFolder(root: string): Promise<Dataset> {
  const where = path.resolve(filePath('imageFolder', 'root', root));
  const names = (await list(where)).filter(({ folder }) => folder).map(({ name }) => name);
  const found = await splitFolders(where, names, (name) => holdsImages(path.join(where, name)));
  const ignored = new IgnoredFiles();
  const read = (...steps: string[]): Promise<Split> => readClasses(path.join(where, ...steps), ignored);
  const splits = found.splits
    ? { train: await read(found.splits.train), test: await read(found.splits.test) }
    : halves(await read(), where);
  const warnings = [...found.warnings, ...ignored.warnings, ...singleImageWarnings(splits)];
  return { name: 'folder', root: where, ...splits, ks: [...defaultKs], warnings };
}

export const folder: DatasetRecord = {
  name: 'folder',
  description:
    'a folder with one subfolder per class; without train and test folders, half of the classes for testing',
  open: imageFolder,
};

/** Splits by class: the first half is for training, the second half for testing. */
export function halves(all: Split, root: string): { train: Split; test: Split } {
  const count = all.classes.length;
  if (count < 2) {
    throw layout(
      `[data] path: expected two or more class folders, because training and test classes are disjoint, got one in ${root}. Add a class.`,
    );
  }
  const half = Math.floor(count / 2);
  return { train: classRange(all, 0, half), test: classRange(all, half, count) };
}

/**
 * Lists the classes below a folder. A folder that contains images is a class, including its subfolders, as in torchvision;
 * a folder that contains folders but no images is a node of the class tree. Hidden files and folders are skipped.
 *
 * @param ignored - counts the files without an image extension in folders below `root`
 */
export async function readClasses(root: string, ignored: IgnoredFiles = new IgnoredFiles()): Promise<Split> {
  const found: Found[] = [];
  const traversal = new Traversal(ignored);
  for (const { name, folder, link } of await list(root)) {
    if (folder) await visit(root, [name], found, traversal.into(link));
    else if (isImageName(name)) {
      throw layout(
        `[data] path: expected one folder of images per class, got the image ${name} directly in ${root}. Move the images of each class into a folder of their own.`,
      );
    }
  }
  if (found.length === 0) {
    throw empty(
      `[data] path: expected class folders, got none in ${root}. Create one folder of images per class.`,
    );
  }
  const split: Split = {
    classes: found.map(({ steps }) => steps.join('/')),
    samples: found.flatMap(({ files }, label) => files.map((file) => ({ path: file, label }))),
  };
  if (found.every(({ steps }) => steps.length === 1)) return split;
  return { ...split, parents: found.map(({ steps }) => ancestors(steps)) };
}

interface Found {
  steps: string[];
  files: string[];
}

/** State of a traversal of folders: ignored files, and the number of paths to each linked folder. */
class Traversal {
  readonly ignored: IgnoredFiles;
  readonly #paths: Map<string, number>;
  readonly #isLinked: boolean;

  constructor(ignored: IgnoredFiles, paths = new Map<string, number>(), isLinked = false) {
    this.ignored = ignored;
    this.#paths = paths;
    this.#isLinked = isLinked;
  }

  /**
   * Returns the state for a folder's contents.
   *
   * @param link - whether the folder is a symbolic link
   */
  into(link: boolean): Traversal {
    return link && !this.#isLinked ? new Traversal(this.ignored, this.#paths, true) : this;
  }

  /**
   * Lists a folder. Counts the visit only if the folder was reached through a link, because other folders are read only
   * once.
   */
  async list(folder: string): Promise<Entry[]> {
    if (this.#isLinked) {
      const { dev, ino } = await stat(folder, { bigint: true }).catch((cause: unknown) => {
        throw Object.assign(coded('ERR_HOROBALL_DATA_READ', whyUnreadable(folder, cause)), { cause });
      });
      const count = (this.#paths.get(`${dev} ${ino}`) ?? 0) + 1;
      if (count > maxPaths) throw tooManyPaths(folder);
      this.#paths.set(`${dev} ${ino}`, count);
    }
    return await list(folder);
  }
}

async function visit(root: string, steps: string[], found: Found[], traversal: Traversal): Promise<void> {
  const here = path.join(root, ...steps);
  if (steps.length > maxDepth) throw tooDeep(here);
  const entries = await traversal.list(here);
  if (entries.some(isImage)) {
    found.push({ steps, files: await imageFiles(here, entries, maxDepth, traversal) });
    return;
  }
  countIgnored(entries, traversal.ignored);
  const folders = entries.filter(({ folder }) => folder);
  if (folders.length === 0) {
    throw empty(
      `[data] path: expected images in the class folder ${here}, got none. Add some (${[...extensions].join(' ')}) or remove the folder.`,
    );
  }
  for (const { name, link } of folders) await visit(root, [...steps, name], found, traversal.into(link));
}

/** Returns the image files of a class, sorted by name: first in the folder itself, then in each subfolder. */
async function imageFiles(
  folder: string,
  entries: Entry[],
  depth: number,
  traversal: Traversal,
): Promise<string[]> {
  if (depth === 0) throw tooDeep(folder);
  countIgnored(entries, traversal.ignored);
  const files = entries.filter(isImage).map(({ name }) => path.join(folder, name));
  for (const each of entries.filter((entry) => entry.folder)) {
    const below = path.join(folder, each.name);
    const inner = traversal.into(each.link);
    for (const file of await imageFiles(below, await inner.list(below), depth - 1, inner)) files.push(file);
  }
  return files;
}

/** Returns the ancestors of a class, nearest first: 'a/b' and 'a' for 'a/b/c'. */
export function ancestors(steps: readonly string[]): string[] {
  return steps.slice(0, -1).map((_, i) => steps.slice(0, steps.length - 1 - i).join('/'));
}

interface Entry {
  name: string;
  folder: boolean;
  /** Whether the entry is a symbolic link. */
  link: boolean;
}

/** Lists the entries of a folder except hidden ones, following links, sorted by code point as in Python. */
async function list(folder: string): Promise<Entry[]> {
  const entries = await readFolder(folder);
  const seen = entries.filter(({ name }) => !name.startsWith('.'));
  const kinds = await Promise.all(seen.map((entry) => isFolder(folder, entry)));
  return seen
    .map((entry, i) => {
      const { name } = entry;
      return { name, folder: kinds[i]!, link: entry.isSymbolicLink(), key: Buffer.from(name) };
    })
    .sort((a, b) => Buffer.compare(a.key, b.key));
}

async function readFolder(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw Object.assign(coded('ERR_HOROBALL_DATA_READ', whyUnreadable(folder, cause)), { cause });
  }
}

function whyUnreadable(folder: string, cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  const got = `[data] path: expected a readable folder, got ${folder}`;
  if (code === 'ENOENT') return `${got}, which does not exist. Check the path.`;
  if (code === 'ENOTDIR') return `${got}, which is a file. Pass the folder of the data set.`;
  if (code === 'EACCES' || code === 'EPERM') return `${got} (permission denied). Change its permissions.`;
  return `${got} (${reasonOf(cause)})`;
}

async function isFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  // A broken link counts as a file. If it has an image extension, the loader reports it as unreadable.
  return stat(path.join(folder, entry.name)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

function isImage({ name, folder }: Entry): boolean {
  return !folder && isImageName(name);
}

function countIgnored(entries: readonly Entry[], ignored: IgnoredFiles): void {
  for (const entry of entries) if (!entry.folder && !isImage(entry)) ignored.add(entry.name);
}

async function holdsImages(folder: string): Promise<boolean> {
  return (await list(folder)).some(isImage);
}

function tooDeep(folder: string): Coded {
  return layout(
    `[data] path: expected at most ${maxDepth} nested folders, got ${folder}. Remove links that lead back into the tree.`,
  );
}

function tooManyPaths(folder: string): Coded {
  return layout(
    `[data] path: expected at most ${maxPaths} paths to the same folder through links, got more to ${folder}. Remove links that lead to the same folder.`,
  );
}

function empty(message: string): Coded {
  return coded('ERR_HOROBALL_DATA_EMPTY', message);
}

function layout(message: string): Coded {
  return coded('ERR_HOROBALL_DATA_LAYOUT', message);
}
