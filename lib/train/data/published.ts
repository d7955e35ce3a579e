/** Code shared by the published data sets: locates files, reads lists, and compares counts with the published ones. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type Coded, coded } from '../../errors.ts';
import { readText } from '../../io/text.ts';
import { singleImageWarnings } from './split.ts';
import type { Count, Counts, Dataset, DatasetRecord, Split } from './types.ts';

/** Description of a published data set, for messages and for locating its files. */
export interface Published {
  name: string;
  /** The files that its authors distribute. */
  archives: string;
  /** Usual names of the folder with the unpacked files; see {@link locate}. */
  folders: readonly string[];
  /** The values of k in Recall@k. */
  ks: readonly number[];
  /** Short description of the expected folder contents. */
  layout: string;
}

/** Limits of a list: bytes, lines, and characters per line. Published lists have at most 5 MB and 60,503 lines. */
const maxBytes = 2 ** 24;
const maxLines = 2 ** 17;
const maxLine = 4096;

/** Returns the folder that contains `needed`: `root`, or one of the data set's usual folders in it. */
export async function locate(about: Published, root: string, needed: string): Promise<string> {
  const where = path.resolve(root);
  for (const folder of ['.', ...about.folders]) {
    if (await exists(path.join(where, folder, needed))) return path.join(where, folder);
  }
  throw await missing(about, where, needed);
}

/** Returns the path of the first file or folder in `paths` that exists in `root`. */
export async function firstOf(about: Published, root: string, paths: readonly string[]): Promise<string> {
  for (const each of paths) if (await exists(path.join(root, each))) return path.join(root, each);
  throw await missing(about, root, paths[0]!);
}

/**
 * Reads the non-empty lines of a text file. Do not match them against a pattern with a lazy quantifier before white
 * space: on long white space, it would take quadratic time.
 *
 * @throws `ERR_HOROBALL_DATA_READ` or `ERR_HOROBALL_DATA_LAYOUT`
 */
export async function readLines(about: Published, root: string, name: string): Promise<string[]> {
  const text = await readText(path.join(root, name), maxBytes).catch(async (cause: unknown) => {
    throw Object.assign(await missing(about, root, name), { cause });
  });
  const lines: string[] = [];
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    const line = text.slice(at, text[end - 1] === '\r' ? end - 1 : end);
    at = end + 1;
    if (line.length > maxLine) throw badLine(name, line, `lines of at most ${maxLine} characters`);
    if (line.trim() === '') continue;
    if (lines.length === maxLines) throw badLine(name, line, `at most ${maxLines} lines`);
    lines.push(line);
  }
  return lines;
}

export function badLine(file: string, line: string, expected: string): Coded {
  return coded(
    'ERR_HOROBALL_DATA_LAYOUT',
    `[data] ${file}: expected ${expected}, got '${line.slice(0, 80)}'. Unpack the archive again.`,
  );
}

type Splits = Omit<Dataset, 'name' | 'ks' | 'warnings'> & Partial<Pick<Dataset, 'warnings'>>;

/**
 * Creates the record of a published data set.
 *
 * @param read - lists the splits; the record's `open` calls it and adds warnings
 */
export function published(
  about: Published,
  {
    read,
    ...facts
  }: Omit<DatasetRecord, 'open'> & { counts: Counts; read: (root: string) => Promise<Splits> },
): DatasetRecord {
  return { ...facts, open: async (root) => complete(about, await read(root), facts.counts) };
}

/**
 * Checks that the data set has images and that the first one exists. Adds warnings about classes with a single image, and
 * about counts that differ from the published ones.
 */
async function complete(about: Published, data: Splits, published: Counts): Promise<Dataset> {
  const first = data.train.samples[0] ?? data.test.samples[0];
  if (first === undefined) {
    const message = `[data] path: expected images of ${about.name}, got none in ${data.root}. ${advice(about)}`;
    throw coded('ERR_HOROBALL_DATA_EMPTY', message);
  }
  if (!(await exists(first.path)))
    throw await missing(about, data.root, path.relative(data.root, first.path));
  const warnings = [
    ...countWarnings(about, data, published),
    ...singleImageWarnings(data),
    ...(data.warnings ?? []),
  ];
  return { name: about.name, ks: [...about.ks], ...data, warnings };
}

/** Returns the number of images of a split, and of classes with at least one image. */
export function countOf({ samples }: Split): Count {
  return { images: samples.length, classes: new Set(samples.map(({ label }) => label)).size };
}

function countWarnings(about: Published, data: Splits, published: Counts): string[] {
  const warnings = [];
  for (const [split, wanted] of Object.entries(published) as [keyof Counts, Count][]) {
    const got = countOf(data[split] ?? { classes: [], samples: [] });
    if (got.images === wanted.images && got.classes === wanted.classes) continue;
    warnings.push(
      `the ${split} split of ${about.name} has ${text(got)} instead of the published ${text(wanted)}: results are not comparable`,
    );
  }
  return warnings;
}

function text({ images, classes }: Count): string {
  return `${images} images of ${classes} classes`;
}

/** Returns the error for a data set without one of its files or folders. */
async function missing(about: Published, root: string, needed: string): Promise<Coded> {
  const message = (await exists(root))
    ? `[data] path: expected a folder with the file or folder '${needed}' of ${about.name}, got ${root}, which lacks it. ${advice(about)}`
    : `[data] path: expected the folder of ${about.name}, got ${root}, which does not exist. Check the path. ${advice(about)}`;
  return coded('ERR_HOROBALL_DATA_READ', message);
}

function advice({ archives, layout }: Published): string {
  return `Download and unpack ${archives}, so that the folder contains ${layout}.`;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
