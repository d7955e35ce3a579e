import { basename, join } from 'node:path';
import { Command, Option } from 'commander';
import { coded, printable } from '../errors.ts';
import type { Background } from '../image/resample.ts';
import { runPathOf } from '../io/run-path.ts';
import { squareSide } from '../model/sides.ts';
import { resolveViT } from '../model/vit.ts';
import { exportOnnx } from '../onnx/export.ts';
import { exportOnnxFolder } from '../onnx/folder.ts';
import type { BackboneSource } from '../onnx/source.ts';
import { type Storage, storages } from '../onnx/storage.ts';
import { parseConfig } from '../train/options/resolve.ts';
import { modelText } from '../train/run/normalize.ts';
import { readConfig } from '../train/run/read.ts';
import { readBackbone } from '../train/weights/backbone.ts';
import { weightsFile } from '../train/weights/load.ts';
import { findPublished } from '../train/weights/registry.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';
import { checkOutput, checkOutputFolder } from './output.ts';
import { addRunOptions, givenOptions, optionsOf } from './run-options.ts';

interface Options extends Partial<Record<Storage, boolean>> {
  onnx?: string | true;
  json?: boolean;
}

/** The options that describe a backbone without a run. */
const backboneOptions = optionsOf('export');

const notes: Notes = {
  paragraphs: [
    'Writes a folder for the image-feature-extraction pipeline of transformers.js and for loadEmbedder of horoball/embed, or one file if --onnx ends in .onnx. Combine --fp32, --fp16 and --int8 to write several files; runtimes compute in float32 in every case.',
    'Without a run, exports the backbone given by --model and --weights. No libtorch is needed.',
  ],
  examples: [
    ['the network of a run', 'horoball export runs/shapes-hybrid-1 --onnx shapes'],
    ['weights in 8 bits, a quarter of the size', 'horoball export runs/shapes-hybrid-1 --onnx shapes --int8'],
    ['one file', 'horoball export runs/shapes-hybrid-1 --onnx model.onnx'],
    ['a pretrained backbone', 'horoball export --model dino_vits16 --weights auto --onnx dino'],
  ],
};

/** `horoball export`: writes a network for other runtimes. */
export function exportCommand(): Command {
  const command = new Command('export')
    .description('export the network of a run, or a backbone, as ONNX')
    .usage('[options] [run]')
    .argument(
      '[run]',
      'run folder or a checkpoint in it; if omitted, the backbone given by --model and --weights',
    )
    .addOption(
      new Option('--onnx [path]', 'folder to write, or a file that ends in .onnx').default(
        undefined,
        "<run>/export, or a folder with the backbone's name",
      ),
    )
    .option('--fp32', 'store matrices in float32 (default)')
    .option('--fp16', 'store matrices in float16, half the size')
    .option('--int8', 'store matrices in 8 bits with a scale per output channel, a quarter of the size')
    .option('--json', 'print a summary as one JSON object on stdout');
  addRunOptions(command, {
    keys: backboneOptions,
    from: 'run or defaults',
    defaults: {
      model: 'none; required without a run',
      weights: 'auto',
      crop: 'input size of the model; only without a run, which has its own',
      resize: 'value of --crop; only without a run',
      background: 'white; only without a run',
    },
    helps: {
      weights:
        "weights of the backbone; auto is the model's published weights, which must have been downloaded",
    },
    values: { weights: "a file, a run folder, the name of downloaded weights or 'auto'" },
  });
  addNotes(command, notes);
  command.action((run: string | undefined, options: Options & Record<string, unknown>) =>
    write(run, options),
  );
  return command;
}

async function write(run: string | undefined, options: Options & Record<string, unknown>): Promise<void> {
  const chosen = storages.filter((storage) => options[storage] === true);
  const wanted = chosen.length > 0 ? chosen : (['fp32'] as const);
  if (typeof options.onnx === 'string') await checkTarget(options.onnx, wanted.length);
  const source = run === undefined ? await backboneOf(options) : await runOf(run, options);
  const path = typeof options.onnx === 'string' ? options.onnx : await defaultPath(source);
  if (!path.endsWith('.onnx')) {
    const result = await exportOnnxFolder(source, path, { storages: wanted });
    const bytes = result.files.reduce((sum, file) => sum + file.bytes, 0);
    return report(
      `${path}: ${result.files.map(({ name }) => name).join(', ')}`,
      { ...result, bytes },
      options,
    );
  }
  report(path, await exportOnnx(source, path, { storage: wanted[0] }), options);
}

async function checkTarget(path: string, storageCount: number): Promise<void> {
  if (!path.endsWith('.onnx')) return checkOutputFolder('[export] onnx', path);
  if (storageCount > 1)
    throw usage(`--onnx: expected a folder for more than one of --fp32, --fp16 and --int8, got ${path}`);
  await checkOutput('[export] onnx', path);
}

function report(
  what: string,
  result: { bytes: number; size: number; dim: number; c: number | null },
  { json }: Options,
): void {
  const { bytes, size, dim, c } = result;
  const outputs =
    c === null ? `image_embeds (N x ${dim})` : `image_embeds and hyperbolic (N x ${dim}, c ${c})`;
  const text = `pixel_values (N x 3 x ${size} x ${size}) -> ${outputs}`;
  process.stderr.write(`${printable(what)}: ${(bytes / 1e6).toFixed(1)} MB. ${text}\n`);
  if (json) jsonLine(result);
}

async function runOf(run: string, options: Record<string, unknown>): Promise<string> {
  const given = givenOptions('export', options);
  const other = backboneOptions.find((name) => given[name] !== undefined);
  if (other !== undefined) {
    throw usage(
      `${other}: expected no value because ${run} has its own, got ${given[other]}. Omit the option or the run.`,
    );
  }
  const { folder } = await runPathOf(run);
  await readConfig(folder); // rejects a folder that is not a run folder
  return run;
}

async function backboneOf(options: Record<string, unknown>): Promise<BackboneSource> {
  const given = givenOptions('export', options);
  if (given.model === undefined) {
    const hint =
      typeof options['onnx'] === 'string' ? ' Put the run folder before --onnx, or give --onnx a path.' : '';
    throw usage(
      `run: expected a run folder or a backbone, got neither. Pass a folder, or --model and --weights.${hint}`,
    );
  }
  const text = await modelText(String(given.model), 'export');
  const { patchSize, imgSize } = resolveViT(text);
  const size = squareSide('export', imgSize);
  const config = parseConfig({ crop: size, resize: given.crop ?? size, ...given, model: text }, 'export');
  const { crop, resize, background, partial } = config;
  if (crop % patchSize !== 0) {
    throw usage(`crop: expected a multiple of the backbone's patch size (${patchSize}), got ${crop}`);
  }
  const model = { ...resolveViT(text), imgSize: crop };
  const name = basename(String(given.model)).replace(/\.json$/, '');
  const { weights, notices } = await readBackbone(await weightsOf(text, config.weights), model, { partial });
  for (const notice of notices) process.stderr.write(`Note: ${printable(notice.replace(/\.$/, ''))}.\n`);
  return { name, model, weights, resize, background: background as Background };
}

/** Finds the weight file; `auto` means the published weights of the model. */
function weightsOf(model: string, weights: string | null): Promise<string> {
  const source = weights === 'auto' ? findPublished(model)?.name : weights;
  if (source === null || source === undefined) {
    const why = weights === null ? '' : ' for a model without published weights';
    const expected = 'a file, a run folder or the name of downloaded weights';
    throw usage(`weights: expected ${expected}, got ${weights ?? 'None'}${why}. Pass one of these.`);
  }
  return weightsFile(source, { at: '[export] weights' });
}

async function defaultPath(source: string | BackboneSource): Promise<string> {
  return typeof source === 'string' ? join((await runPathOf(source)).folder, 'export') : source.name;
}

function usage(message: string): RangeError {
  return coded('ERR_HOROBALL_OPTION', `[export] ${message}`, RangeError);
}
