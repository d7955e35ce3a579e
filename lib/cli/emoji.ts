import { relative } from 'node:path';
import { Command } from 'commander';
import { coded } from '../errors.ts';
import { makeEmoji } from '../train/data/emoji/make.ts';
import { addNotes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

interface Options {
  out: string;
  size: string;
  from?: string;
  all?: boolean;
  json?: boolean;
}

/** `horoball data emoji`: makes a data set of real, freely licensed images from npm packages. */
export function emojiCommand(): Command {
  const command = new Command('emoji')
    .description('make a data set of emoji, each drawn by four organizations')
    .option('--out <folder>', 'output folder', 'data/emoji')
    .option('--size <pixels>', 'side of an image in pixels, 16 to 1024', '96')
    .option('--from <folder>', 'use the npm packages in this folder instead of downloading them')
    .option('--all', 'also render other emoji sets, to extra/ and extra.csv, which no benchmark uses')
    .option('--json', 'print the result as one JSON object on stdout')
    .action(run);
  addNotes(command, {
    paragraphs: [
      "Each class is one emoji, drawn by Noto, Twemoji, OpenMoji and Fluent. npm fetches the packages at pinned versions and checks their hashes. The folder holds the images in Unicode's hierarchy (group, subgroup, emoji), the splits as CSV lists, and LICENSES.md.",
    ],
    examples: [
      ['make it', 'horoball data emoji'],
      ['train on it', 'horoball train --recipe emoji'],
      ['without a network connection', 'horoball data emoji --from project-with-the-packages'],
    ],
  });
  return command;
}

async function run({ out, size, from, all = false, json = false }: Options): Promise<void> {
  if (!/^\d+$/.test(size)) {
    const message = `[data emoji] --size: expected 16 to 1024 pixels, got '${size}'. Try 96.`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const made = await makeEmoji(out, {
    size: Number(size),
    from,
    all,
    signal: interrupt.signal,
    onProgress: (done, total) => meter.count('rendering', done, total, 'img'),
    onNote: (text) => meter.say(`Note: ${text}`),
  });
  const { classes, images, extra, duplicates, incomplete, fresh } = made;
  meter.say(
    `${fresh ? 'Created' : 'Already exists'}: ${classes} classes, ${images} images in ${relative('.', out) || '.'}.`,
  );
  if (extra > 0) meter.say(`${extra} images of other sets are listed in extra.csv.`);
  meter.say(
    `Omitted: ${incomplete} emoji that are not in all four sets, ${duplicates} whose image is identical to another in its set, and all skin tones.`,
  );
  if (json) jsonLine({ folder: out, ...made });
}
