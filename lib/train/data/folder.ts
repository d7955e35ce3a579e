import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Coded, coded } from '../../errors.ts';
import { reasonOf } from '../../io/trouble.ts';
import type { Dataset, Split } from './dataset.ts';
import { classRange, singlePictureWarnings, usualKs } from './split.ts';

/** Those of torchvision's ImageFolder. */
const extensions = new Set(['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp']);
/** Deeper trees are taken for a link that leads back into itself. */
const maxDepth = 24;

/**
 * A data set from a folder of class folders, classes sorted by name as torchvision's ImageFolder has them.
 * With sub-folders `train` and `test` these are the splits; else the first half of the classes is to train on and
 * the second half to test on (as CUB-200-2011 has it).
 *
 * @throws `ERR_HOROBALL_DATA_READ`, `ERR_HOROBALL_DATA_EMPTY` or `ERR_HOROBALL_DATA_LAYOUT`
 */
export async function imageFolder(root: string): Promise<Dataset> {
  const where = path.resolve(root);
  const names = (await list(where)).filter(({ folder }) => folder).map(({ name }) => name);
  const named = names.includes('train') && names.includes('test');
  const splits = named
    ? {
        train: await readClasses(path.join(where, 'train')),
        test: await readClasses(path.join(where, 'test')),
      }
    : halves(await readClasses(where), where);
  return { name: 'folder', root: where, ...splits, ks: usualKs, warnings: singlePictureWarnings(splits) };
}

/** The first half of the classes to train on, the second half to test on. */
export function halves(all: Split, root: string): { train: Split; test: Split } {
  const count = all.classes.length;
  if (count < 2) {
    throw layout(
      `${root} has one class folder; train on some classes and test on others: give it two or more`,
    );
  }
  const half = Math.floor(count / 2);
  return { train: classRange(all, 0, half), test: classRange(all, half, count) };
}

/**
 * The classes below a folder. A folder that holds pictures is a class, with all that is below it (as torchvision has
 * it); one that holds folders only is a node of the class tree. Hidden and `._` files are not seen.
 */
export async function readClasses(root: string): Promise<Split> {
  const found: Found[] = [];
  for (const { name, folder } of await list(root)) {
    if (folder) await visit(root, [name], found);
    else if (isPicture(name)) {
      throw layout(
        `${path.join(root, name)} lies beside the class folders; put each class's pictures in a folder`,
      );
    }
  }
  if (found.length === 0) {
    throw empty(`${root} has no class folders; it needs one folder of pictures for each class`);
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

async function visit(root: string, steps: string[], found: Found[]): Promise<void> {
  const here = path.join(root, ...steps);
  if (steps.length > maxDepth) throw layout(`${here} is more than ${maxDepth} folders deep`);
  const entries = await list(here);
  if (entries.some(({ name, folder }) => !folder && isPicture(name))) {
    found.push({ steps, files: await pictures(here, entries, maxDepth) });
    return;
  }
  const folders = entries.filter(({ folder }) => folder);
  if (folders.length === 0) {
    throw empty(
      `class folder ${here} has no pictures; put some in (${[...extensions].join(' ')}) or remove it`,
    );
  }
  for (const { name } of folders) await visit(root, [...steps, name], found);
}

/** The files of a class: those of the folder itself, then those of the folders below it, each sorted. */
async function pictures(folder: string, entries: Entry[], depth: number): Promise<string[]> {
  if (depth === 0) throw layout(`${folder} is too many folders deep`);
  const files = entries
    .filter((each) => !each.folder && isPicture(each.name))
    .map(({ name }) => path.join(folder, name));
  for (const each of entries.filter((entry) => entry.folder)) {
    const below = path.join(folder, each.name);
    files.push(...(await pictures(below, await list(below), depth - 1)));
  }
  return files;
}

/** 'a/b/c' has the ancestors 'a/b' and 'a'. */
function ancestors(steps: string[]): string[] {
  return steps.slice(0, -1).map((_, i) => steps.slice(0, steps.length - 1 - i).join('/'));
}

interface Entry {
  name: string;
  folder: boolean;
}

/** What a folder holds, links followed, hidden names left out, sorted by code point as Python sorts. */
async function list(folder: string): Promise<Entry[]> {
  const entries = await readFolder(folder);
  const seen = entries.filter(({ name }) => !name.startsWith('.'));
  const kinds = await Promise.all(seen.map((entry) => isFolder(folder, entry)));
  return seen
    .map(({ name }, i) => ({ name, folder: kinds[i]!, key: Buffer.from(name) }))
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
  if (code === 'ENOENT') return `the data folder ${folder} does not exist; check the path`;
  if (code === 'ENOTDIR') return `${folder} is a file; give the folder that holds the data set`;
  if (code === 'EACCES' || code === 'EPERM')
    return `${folder} may not be read; give yourself permission to read it`;
  return `${folder} could not be read (${reasonOf(cause)})`;
}

async function isFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  // A link that leads nowhere is neither a class nor a picture that could be listed; reading it names it later.
  return stat(path.join(folder, entry.name)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

function isPicture(name: string): boolean {
  return extensions.has(path.extname(name).toLowerCase());
}

function empty(message: string): Coded {
  return coded('ERR_HOROBALL_DATA_EMPTY', message);
}

function layout(message: string): Coded {
  return coded('ERR_HOROBALL_DATA_LAYOUT', message);
}
