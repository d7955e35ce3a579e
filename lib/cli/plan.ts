import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { resolveViT } from '../model/vit.ts';
import { type Cost, costOf } from '../train/distributed/cost.ts';
import { type Precision, precisions } from '../train/lane/types.ts';
import { publishedDefaults } from '../train/options/resolve.ts';
import { bytesPerImage } from '../train/run/chunk.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';

const notes: Notes = {
  paragraphs: [
    'Traffic and memory are computed from sizes. The memory of the activations is computed for float32, within 10% of what was measured for ViT-S/16; other precisions should need less on a GPU, but how much has not been measured. The times are only as accurate as --rate and --bandwidth: measure the rate with one process, at the batch size of each process. The times exclude the loss of the full batch: on CPUs, each process computes a part of it; on CUDA devices, each computes all of it.',
  ],
  examples: [
    ['the memory of one process', 'horoball plan --model vit_small_patch16_224 --batch 256'],
    [
      '64 GPUs, at the rate measured on one',
      'horoball plan --batch 16384 --ranks 64 --rate 2500 --bandwidth 25',
    ],
  ],
};

interface Given {
  model: string;
  emb: string;
  batch?: string;
  bs?: string;
  crop?: string;
  chunk?: string;
  ranks: string;
  rate?: string;
  bandwidth: string;
  precision: Precision;
  device: 'cpu' | 'cuda';
  json?: true;
}

/** Minimum of --rate (images/s) and --bandwidth (GB/s): values close to 0 would make the estimated times overflow. */
const leastSpeed = 1e-6;

/** `horoball plan`: estimates the cost of a training step with one or several processes. */
export function planCommand(): Command {
  const command = new Command('plan')
    .description('estimate the memory, traffic and speed of a training step with one or several processes')
    .usage('[options] --batch <n>')
    .option(
      '--model <name>',
      'backbone, by a name that `horoball train --help` lists',
      'vit_small_patch16_224',
    )
    .option('--emb <n>', 'embedding dimension', '128')
    .option('--batch <n>', 'total batch size over all processes, in images; required')
    .addOption(new Option('--bs <n>').hideHelp())
    .addOption(
      new Option('--crop <n>', 'side length of the input (pixels)').default(
        undefined,
        `${publishedDefaults.crop}, or the model's size if smaller`,
      ),
    )
    .addOption(
      new Option('--chunk <n>', 'gradient-caching chunk size in images').default(
        undefined,
        'the batch of a process',
      ),
    )
    .option('--ranks <n>', 'number of processes', '1')
    .addOption(
      new Option('--rate <n>', 'throughput of one process alone, as a run prints it (images/s)').default(
        undefined,
        'unknown; no times are estimated',
      ),
    )
    .option('--bandwidth <n>', 'bandwidth of a process in each direction, full duplex (GB/s)', '10')
    .addOption(
      new Option('--precision <name>', 'precision of the backbone').choices(precisions).default('float32'),
    )
    .addOption(
      new Option('--device <name>', 'device of the processes').choices(['cpu', 'cuda']).default('cuda'),
    )
    .option('--json', 'print the numbers as one JSON object on stdout');
  addNotes(command, notes);
  command.action((given: Given) => {
    const { model, device, precision } = given;
    const vit = resolveViT(model);
    const number = (name: keyof Given, least: number, standard: number = Number.NaN): number => {
      if (given[name] === undefined) return standard;
      const value = Number(given[name]);
      if (value >= least && Number.isFinite(value)) return value;
      throw refused(`${name}: expected a number of at least ${least}, got '${given[name]}'`);
    };
    const whole = (name: keyof Given, least: number, standard?: number): number => {
      const value = number(name, least, standard);
      if (Number.isSafeInteger(value)) return value;
      throw refused(`${name}: expected an integer of at least ${least}, got '${given[name]}'`);
    };
    if (given.batch !== undefined && given.bs !== undefined)
      throw refused('batch: expected one value, got both --batch and --bs. Omit one.');
    if (given.batch === undefined && given.bs === undefined)
      throw refused('batch: expected the total batch size, got none. Pass --batch, such as --batch 256.');
    const options = {
      model,
      dim: whole('emb', 1),
      batch: whole(given.batch === undefined ? 'bs' : 'batch', 1),
      ranks: whole('ranks', 1),
      imagesPerSecond: number('rate', leastSpeed),
      bandwidth: 1e9 * number('bandwidth', leastSpeed),
      device,
    };
    const crop = whole('crop', vit.patchSize, Math.min(publishedDefaults.crop, ...[vit.imgSize].flat()));
    if (crop % vit.patchSize !== 0)
      throw refused(`crop: expected a multiple of the backbone's patch size (${vit.patchSize}), got ${crop}`);
    const rows = Math.ceil(options.batch / options.ranks);
    const graphRows = Math.min(rows, whole('chunk', 1, rows));
    const activationBytes = graphRows * bytesPerImage({ model, crop });
    const cost = costOf(options);
    if (given.json) return jsonLine({ type: 'plan', ...options, precision, crop, ...cost, activationBytes });
    const bound = precision === 'float32' ? 'float32' : `float32; ${precision} should need less on a GPU`;
    const lines = [
      ['parameters', cost.parameters.toLocaleString('en-US')],
      ['images per process', (options.batch / options.ranks).toPrecision(4)],
      ...(options.ranks > 1 ? trafficLines(cost) : []),
      [
        `memory per process: weights, gradients, optimizer state${options.ranks > 1 ? ', gradient buckets' : ''}`,
        megabytes(cost.stateBytes),
      ],
      [`memory per process: activations of ${graphRows} images in ${bound}`, megabytes(activationBytes)],
      [
        `memory per process: ${options.ranks > 1 ? 'gathered ' : ''}embeddings and their gradients`,
        megabytes(cost.gatheredBytes),
      ],
      ['memory per process in total', megabytes(cost.stateBytes + activationBytes + cost.gatheredBytes)],
      [
        'operations of the loss per process and step, not in the step time',
        `${Number((cost.lossOperations / 1e12).toPrecision(2))} TFLOP`,
      ],
      ...(given.rate === undefined ? [] : timeLines(cost, options.batch)),
    ] as const;
    const width = Math.max(...lines.map(([name]) => name!.length));
    process.stdout.write(lines.map(([name, value]) => `${name!.padEnd(width)}  ${value}\n`).join(''));
  });
  return command;
}

function refused(text: string): RangeError {
  return coded('ERR_HOROBALL_OPTION', `[plan] ${text}`, RangeError);
}

function megabytes(bytes: number): string {
  return bytes < 999.5e6 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}

function trafficLines(cost: Cost): string[][] {
  return [
    ['embeddings sent per process and step', megabytes(cost.embeddingBytes)],
    ['gradients sent per process and step', megabytes(cost.gradientBytes)],
  ];
}

function timeLines(cost: Cost, batch: number): string[][] {
  const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
  return [
    [
      'step time if communication overlaps with the backward pass',
      `${(batch / cost.bestRate).toPrecision(3)} s`,
    ],
    ['step time without overlap', `${cost.serialSeconds.toPrecision(3)} s`],
    ['throughput', `${cost.worstRate.toFixed(0)} to ${cost.bestRate.toFixed(0)} images/s`],
    ['scaling efficiency', `${percent(cost.worstEfficiency)} to ${percent(cost.bestEfficiency)}`],
  ];
}
