/** What the published data sets have in common: where they lie, how many pictures they have, what to say if not. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Coded, coded } from '../../errors.ts';
import type { Dataset, Split } from './dataset.ts';
import { singlePictureWarnings } from './split.ts';

/** A published data set, for people. */
export interface Published {
  name: string;
  /** The files that its authors give out. */
  archives: string;
  /** Names of the folder that the archives make; any of them may be left out. */
  folders: readonly string[];
  /** The k of Recall@k. */
  ks: readonly number[];
  /** How the folder must look, in a few words. */
  layout: string;
}

/** No line of these lists comes near it. */
const maxLine = 4096;

/** Pictures and classes of a split. */
export interface Count {
  pictures: number;
  classes: number;
}

export type Counts = Partial<Record<'train' | 'test' | 'gallery', Count>>;

/** The folder in which `needed` exists: `root` itself or one of the data set's own folders below it. */
export async function locate(about: Published, root: string, needed: string): Promise<string> {
  const where = path.resolve(root);
  for (const folder of ['.', ...about.folders]) {
    if (await exists(path.join(where, folder, needed))) return path.join(where, folder);
  }
  throw missing(about, where, needed);
}

/** The first of several places that exists below a folder. */
export async function firstOf(about: Published, root: string, places: readonly string[]): Promise<string> {
  for (const place of places) if (await exists(path.join(root, place))) return path.join(root, place);
  throw missing(about, root, places[0]!);
}

/** A text file's lines, whatever ends them, without empty ones. */
export async function readLines(about: Published, root: string, name: string): Promise<string[]> {
  const text = await readFile(path.join(root, name), 'utf8').catch((cause: unknown) => {
    throw Object.assign(missing(about, root, name), { cause });
  });
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const long = lines.find((line) => line.length > maxLine);
  if (long !== undefined) throw badLine(name, long, 'a line of a list');
  return lines;
}

/** A line of a list that cannot be read. */
export function badLine(file: string, line: string, expected: string): Coded {
  return coded(
    'ERR_HOROBALL_DATA_LAYOUT',
    `${file} has a line '${line.slice(0, 80)}' where ${expected} is expected`,
  );
}

/** Adds to a data set what a person should know: differences from the published counts, single pictures. */
export async function complete(
  about: Published,
  data: Omit<Dataset, 'name' | 'ks' | 'warnings'>,
  published: Counts,
): Promise<Dataset> {
  const first = data.train.samples[0] ?? data.test.samples[0];
  if (first === undefined) {
    throw coded(
      'ERR_HOROBALL_DATA_EMPTY',
      `${data.root} lists no pictures of ${about.name}; ${advice(about)}`,
    );
  }
  if (!(await exists(first.path))) throw missing(about, data.root, path.relative(data.root, first.path));
  const warnings = [...countWarnings(about, data, published), ...singlePictureWarnings(data)];
  return { name: about.name, ks: about.ks, ...data, warnings };
}

/** Pictures and classes (of which there is at least one picture) of a split. */
export function countOf({ samples }: Split): Count {
  return { pictures: samples.length, classes: new Set(samples.map(({ label }) => label)).size };
}

function countWarnings(
  about: Published,
  data: Omit<Dataset, 'name' | 'ks' | 'warnings'>,
  published: Counts,
): string[] {
  const warnings = [];
  for (const [split, wanted] of Object.entries(published) as [keyof Counts, Count][]) {
    const got = countOf(data[split] ?? { classes: [], samples: [] });
    if (got.pictures === wanted.pictures && got.classes === wanted.classes) continue;
    warnings.push(
      `${about.name} has ${text(got)} in its ${split} split here, ${text(wanted)} as published: results do not compare`,
    );
  }
  return warnings;
}

function text({ pictures, classes }: Count): string {
  return `${pictures} pictures of ${classes} classes`;
}

function missing(about: Published, root: string, needed: string): Coded {
  return coded('ERR_HOROBALL_DATA_READ', `${about.name}: ${root} has no ${needed}; ${advice(about)}`);
}

function advice({ archives, layout }: Published): string {
  return `get ${archives} and unpack so that the folder holds ${layout}`;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
