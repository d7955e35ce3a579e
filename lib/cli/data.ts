import { Command } from 'commander';
import { coded } from '../errors.ts';
import { defaultMaxPixels } from '../image/fault.ts';
import { checkDataset, type DatasetCheck } from '../train/data/check.ts';
import { notesOf } from '../train/data/image-notes.ts';
import { datasetNames, datasets, openDataset } from '../train/data/registry.ts';
import type { DatasetRecord } from '../train/data/types.ts';
import { emojiCommand } from './emoji.ts';
import { addNotes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

/** Maximum number of unreadable images listed by name; the rest are only counted (`--json` lists all). */
const maxListed = 20;

interface Options {
  path: string;
  decode?: boolean;
  maxPixels: string;
  json?: boolean;
}

/** Names of the data sets that consist of a single file. */
const files = datasets.filter(({ path }) => path !== undefined).map(({ name }) => name);

/** Returns the name and description of a data set, with its published counts. */
function described({ name, description, counts = {} }: DatasetRecord): [string, string] {
  const published = Object.entries(counts).map(
    ([split, { images, classes }]) => `${split} ${images} images of ${classes} classes`,
  );
  return [name, published.length === 0 ? description : `${description} (${published.join(', ')})`];
}

/** `horoball data`: `check` compares a data set with its published counts, `emoji` creates one. */
export function dataCommand(): Command {
  const check = new Command('check')
    .description('compare a data set with its published counts and find missing or damaged images')
    .usage('[options] --path <folder> <name>')
    .argument('<name>', `one of ${datasetNames.join(', ')}`)
    .requiredOption(
      '--path <folder>',
      `folder of the unpacked data set, or the file for ${files.join(' and ')}; required`,
    )
    .option('--decode', 'decode every image instead of only checking its first bytes')
    .option(
      '--max-pixels <count>',
      'with --decode: maximum number of pixels in an image; larger images count as unreadable',
      String(defaultMaxPixels),
    )
    .option('--json', 'print the result as one JSON object on stdout')
    .action(run);
  addNotes(check, {
    lists: { 'Data sets': datasets.map(described) },
    paragraphs: ['Exits with 1 if an image is missing or cannot be read.'],
    examples: [
      ['a published data set', 'horoball data check CUB --path CUB_200_2011'],
      [
        'every image of a folder with one subfolder per class',
        'horoball data check folder --path my-images --decode',
      ],
    ],
  });
  return new Command('data')
    .description('make and check data sets')
    .usage('<command> [options]')
    .addCommand(check)
    .addCommand(emojiCommand());
}

async function run(
  name: string,
  { path, decode = false, json = false, maxPixels: limit }: Options,
): Promise<void> {
  const maxPixels = Number(limit);
  if (!Number.isSafeInteger(maxPixels) || maxPixels < 1)
    throw coded(
      'ERR_HOROBALL_OPTION',
      `[data check] max-pixels: expected an integer of at least 1, got ${limit}`,
      RangeError,
    );
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const onProgress = (done: number, total: number): void => meter.count('checking', done, total, 'img');
  const { signal } = interrupt;
  const result = await checkDataset(await openDataset(name, path), { decode, maxPixels, onProgress, signal });
  meter.end();
  if (json) jsonLine(result);
  for (const line of lines(result, decode)) meter.say(line);
  if (result.unreadable.length > 0) process.exitCode = 1;
}

function lines(
  { name, root, splits, warnings, unreadable, ...found }: DatasetCheck,
  isDecoded: boolean,
): string[] {
  const counts = Object.entries(splits).map(([split, { images, classes }]) => {
    return `  ${split.padEnd(8)}${images} images of ${classes} classes`;
  });
  const bad = unreadable.slice(0, maxListed).map(({ path, reason }) => `  ${path}: ${reason}`);
  if (unreadable.length > maxListed) bad.push(`  and ${unreadable.length - maxListed} more`);
  const notes = [...warnings, ...notesOf(found)];
  const count = unreadable.length;
  const valid = isDecoded
    ? 'All images can be read.'
    : 'The headers of all images are valid. To read the images completely, add --decode.';
  const verdict = count === 0 ? valid : `${count} image${count === 1 ? '' : 's'} cannot be read:`;
  return [`${name} in ${root}`, ...counts, ...notes.map((text) => `Note: ${text}.`), verdict, ...bad];
}
