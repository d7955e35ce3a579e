import { extname, relative } from 'node:path';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import type { Skipped } from '../train/data/loader.ts';
import type { Dataset } from '../train/data/types.ts';
import {
  embedSplit,
  type Output,
  outputs,
  type SplitName,
  splitNames,
  writeExport,
  writeNpyExport,
} from '../train/measure/export.ts';
import { skippedText } from '../train/run/warnings.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { configOf, networkOf, noteChangedData } from './network.ts';
import { checkOutput } from './output.ts';
import { addRunOptions, givenOptions, optionsOf } from './run-options.ts';

interface Options {
  out: string;
  split: SplitName;
  output?: Output | 'all';
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    "A .safetensors file contains a tensor named labels and one tensor per output: hyperbolic, cosine (unit vectors) and body (the backbone's features), or only the output that --output names. Its metadata contains dataset, split and c, and classes and paths as JSON. A .npy file contains one output; <name>.labels.npy and <name>.json are written next to it. The .json file has the CRC-32 of both arrays, and is missing while they are being replaced.",
    'Without a run, embeds with the backbone given by --model and --weights.',
  ],
  examples: [
    ['embeddings of the test images', 'horoball embed runs/shapes-hybrid-1 --out test.safetensors'],
    [
      'backbone features of the training images for NumPy',
      'horoball embed runs/shapes-hybrid-1 --split train --output body --out x.npy',
    ],
  ],
};

/** `horoball embed`: writes the embeddings of a data set with labels and paths. */
export function embedCommand(): Command {
  const command = new Command('embed')
    .description('write the embeddings of a data set with labels and paths')
    .usage('[options] --out <file> [run]')
    .argument(
      '[run]',
      'run folder or a checkpoint in it; if omitted, the backbone given by --model and --weights',
    )
    .requiredOption('--out <file>', 'output file, .safetensors or .npy; required')
    .addOption(new Option('--split <name>', 'split of the data set').choices(splitNames).default('test'))
    .addOption(
      new Option('--output <name>', 'output to write')
        .choices(['all', ...outputs])
        .default(undefined, 'all for a run, or hyperbolic in a .npy file; body for a backbone'),
    )
    .option('--json', 'print a summary as one JSON object on stdout');
  addRunOptions(command, { keys: optionsOf('embed'), from: 'run or defaults' });
  addNotes(command, notes);
  command.action(async (run: string | undefined, options: Options & Record<string, unknown>) => {
    await exportEmbeddings(run, givenOptions('embed', options), options);
  });
  return command;
}

async function exportEmbeddings(
  run: string | undefined,
  given: object,
  { out, split, output, json }: Options,
): Promise<void> {
  const kind = extname(out);
  const wanted = wantedOf(
    kind,
    out,
    output ?? (run === undefined ? 'body' : kind === '.npy' ? 'hyperbolic' : 'all'),
  );
  await checkOutput('[embed] out', out);
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const note = (text: string): void => meter.say(`Note: ${text}.`);
  const config = await configOf('embed', run, { ...given }, note);
  using embedder = await networkOf(run, config, note, { head: wanted.some((each) => each !== 'body') });
  const onProgress = (done: number, total: number): void => meter.count('embedding', done, total, 'img');
  const onSkipped = (image: Skipped): void => note(skippedText(image));
  const { signal } = interrupt;
  const onDataset = (dataset: Dataset): Promise<void> => noteChangedData(run, given, dataset, note);
  const made = await embedSplit(embedder, config, split, { signal, onProgress, onSkipped, onDataset });
  meter.end();
  const files = kind === '.npy' ? await writeNpyExport(out, made, wanted[0]!) : [out];
  if (kind !== '.npy') await writeExport(out, made, wanted);
  const rows = made.paths.length;
  if (json) jsonLine({ type: 'embeddings', dataset: made.dataset, split, rows, outputs: wanted, files });
  meter.say(`${rows} images: ${files.map((file) => relative('.', file)).join(', ')}`);
}

function wantedOf(kind: string, out: string, output: Output | 'all'): readonly Output[] {
  if (kind !== '.npy' && kind !== '.safetensors') {
    throw usage(`[embed] out: expected a file that ends in .safetensors or .npy, got ${out}`);
  }
  if (output !== 'all') return [output];
  if (kind === '.npy')
    throw usage(
      `[embed] output: expected one output for a .npy file, got all. Pass one of ${outputs.join(', ')}.`,
    );
  return outputs;
}

function usage(message: string): RangeError {
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}
