import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { costOf } from '../train/distributed/cost.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';

const notes: Notes = {
  paragraphs: [
    'Traffic and memory are computed from sizes. The times are only as accurate as --rate and --bandwidth: measure the rate with one process, at the batch size of each process. The times exclude the loss of the full batch: on CPUs, each process computes a part of it; on CUDA devices, each computes all of it.',
  ],
  examples: [
    [
      '64 GPUs, at the rate measured on one',
      'horoball plan --batch 16384 --ranks 64 --rate 2500 --bandwidth 25',
    ],
  ],
};

interface Given {
  model: string;
  emb: string;
  batch: string;
  ranks: string;
  rate: string;
  bandwidth: string;
  device: 'cpu' | 'cuda';
  json?: true;
}

/** `horoball plan`: estimates the cost of a training step with several processes. */
export function planCommand(): Command {
  const command = new Command('plan')
    .description('estimate the traffic, memory and speed of a training step with several processes')
    .usage('[options] --batch <n> --ranks <n> --rate <n>')
    .option(
      '--model <name>',
      'backbone, by a name that `horoball train --help` lists',
      'vit_small_patch16_224',
    )
    .option('--emb <n>', 'embedding dimension', '128')
    .requiredOption('--batch <n>', 'total batch size over all processes, in images; required')
    .requiredOption('--ranks <n>', 'number of processes; required')
    .requiredOption('--rate <n>', 'throughput of one process alone, as a run prints it (images/s); required')
    .option('--bandwidth <n>', 'bandwidth of a process in each direction, full duplex (GB/s)', '10')
    .addOption(
      new Option('--device <name>', 'device of the processes').choices(['cpu', 'cuda']).default('cuda'),
    )
    .option('--json', 'print the numbers as one JSON object on stdout');
  addNotes(command, notes);
  command.action((given: Given) => {
    const number = (name: keyof Given, least: number): number => {
      const value = Number(given[name]);
      if (value >= least && Number.isFinite(value)) return value;
      const message = `[plan] ${name}: expected a number of at least ${least}, got '${given[name]}'`;
      throw coded('ERR_HOROBALL_OPTION', message, RangeError);
    };
    const options = {
      model: given.model,
      dim: number('emb', 1),
      batch: number('batch', 1),
      ranks: number('ranks', 1),
      imagesPerSecond: number('rate', Number.MIN_VALUE),
      bandwidth: 1e9 * number('bandwidth', Number.MIN_VALUE),
      device: given.device,
    };
    const cost = costOf(options);
    if (given.json) return jsonLine({ type: 'plan', ...options, ...cost });
    const megabytes = (bytes: number): string => `${(bytes / 1e6).toPrecision(3)} MB`;
    const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
    const lines = [
      ['parameters', cost.parameters.toLocaleString('en-US')],
      ['images per process', (options.batch / options.ranks).toPrecision(4)],
      ['embeddings sent per process and step', megabytes(cost.embeddingBytes)],
      ['gradients sent per process and step', megabytes(cost.gradientBytes)],
      [
        'memory per process: weights, gradients, optimizer state, gradient buckets',
        megabytes(cost.stateBytes),
      ],
      ['memory per process: gathered embeddings and their gradients', megabytes(cost.gatheredBytes)],
      [
        'operations of the loss per process and step, not in the step time',
        `${(cost.lossOperations / 1e12).toPrecision(2)} TFLOP`,
      ],
      [
        'step time if communication overlaps with the backward pass',
        `${(options.batch / cost.bestRate).toPrecision(3)} s`,
      ],
      ['step time without overlap', `${cost.serialSeconds.toPrecision(3)} s`],
      ['throughput', `${cost.worstRate.toFixed(0)} to ${cost.bestRate.toFixed(0)} images/s`],
      ['scaling efficiency', `${percent(cost.worstEfficiency)} to ${percent(cost.bestEfficiency)}`],
    ] as const;
    const width = Math.max(...lines.map(([name]) => name.length));
    process.stdout.write(lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join(''));
  });
  return command;
}
