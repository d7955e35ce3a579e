// `npm run bench:train`: images per second of full training steps with and without the loader, and of the loader alone,
// compared with timm and torchvision.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { setThreads, vitConfigs } from '../lib/train/index.ts';
import { called, count, type ParseArgsOptionsConfig, usageError } from './arguments.ts';
import { uniform } from './inputs.ts';
import { alternate, figure, type Plan, ratio, type TimedSide } from './measure.ts';
import { Output, origin, outputOptions } from './output.ts';
import { FastestPeers, waitPolicies } from './peers/fastest.ts';
import { type Bar, type Row, row } from './results.ts';
import { lossSettings } from './shapes.ts';
import { stepFlops } from './step-flops.ts';
import { dim, Ours, type Setting, steady, views } from './train-side.ts';

const help = `Usage: horoball bench train [options]
       npm run bench:train -- [options]                in a checkout

  --model NAME    vit_nano, vit_small_patch16_224, ... (default:
                  vit_small_patch16_224)
  --batch N       batch size, 2 images per class (default: 16)
  --threads N     threads of horoball and of each peer (default: all CPUs)
  --only PATTERN  operations whose name matches: loading, '^training step$',
                  bfloat16, ... (default: all)
  --python FILE   a Python interpreter with the peers (default:
                  bench/peers/.venv, created by npm run bench:peers)
  --out DIR       folder for MACHINE-COMMIT-train[-OPTIONS].csv and .html
                  (default: bench/rows in a checkout, otherwise
                  horoball-bench)
  --quick         two rounds instead of five, and peers only with the default
                  OMP_WAIT_POLICY: under three minutes
  --json          one JSON object per row on stdout, the table on stderr
`;

const options = {
  help: { type: 'boolean' },
  model: { type: 'string', default: 'vit_small_patch16_224' },
  batch: { type: 'string', default: '16' },
  threads: { type: 'string', default: String(availableParallelism()) },
  only: { type: 'string', default: '' },
  python: { type: 'string' },
  quick: { type: 'boolean', default: false },
  ...outputOptions,
} as const satisfies ParseArgsOptionsConfig;

const values = called(help, options);

const imageCount = 96;
/** Images of the test split, which an image folder must have. */
const testCount = 8;
/** With `--quick`, two rounds: under three minutes in all, at the default batch size on two cores. */
const plan: Plan = {
  rounds: values.quick ? 2 : 5,
  slowRounds: values.quick ? 2 : 5,
  slowMs: 0,
  turnMs: 0,
  settleMs: 1000,
};

const began = performance.now();
const stop = new AbortController();
process.once('SIGINT', () => {
  say('stopping after the current call; Ctrl-C again to quit at once');
  stop.abort();
});

function say(text: string): void {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
}

async function main(): Promise<void> {
  const [threads, batch] = [count('--threads', values.threads), count('--batch', values.batch)];
  const model = viT();
  const wanted = chosen();
  setThreads(threads);
  const load = loadavg()[0]!.toFixed(1);
  const folder = await mkdtemp(join(tmpdir(), 'horoball-bench-'));
  const peers = await FastestPeers.start(
    { threads, fastMkl: true, python: values.python },
    values.quick ? [undefined] : waitPolicies,
  ).catch((error: Error) => error.message);
  try {
    say('generating images');
    await makeImages(folder);
    const about = { ...(await origin(threads, peers)), load };
    const output = new Output(values, ['train', ...given()]);
    const save = (rows: Row[]): Promise<void> => output.save({ about, rows });
    const rows = await measure(wanted, { model, threads, batch, folder }, peers, save);
    await save(rows);
    output.print({ about, rows });
    if (stop.signal.aborted) process.exitCode = 130;
  } finally {
    if (typeof peers !== 'string') await peers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns words for the settings that differ from the defaults. */
function given(): string[] {
  const named = ['model', 'batch', 'threads', 'only'] as const;
  const changed = named
    .filter((name) => values[name] !== options[name].default)
    .map((name) => `${name} ${values[name]}`);
  return values.quick ? [...changed, 'quick'] : changed;
}

/** Writes JPEG files with smooth random content, in a typical size of the images in the published data sets. */
async function makeImages(folder: string): Promise<void> {
  const next = uniform(81);
  const channels = 3;
  const [width, height] = [40, 30];
  for (let i = 0; i < imageCount + testCount; ++i) {
    const pixels = Uint8Array.from({ length: width * height * channels }, () => 256 * next());
    const grown = sharp(pixels, { raw: { width, height, channels } }).resize(500, 375, { kernel: 'cubic' });
    const parent = join(folder, i < imageCount ? 'train' : 'test', `class${Math.floor(i / 8)}`);
    await mkdir(parent, { recursive: true });
    await writeFile(join(parent, `${i}.jpg`), await grown.jpeg({ quality: 90 }).toBuffer());
  }
}

/** An operation that horoball and its peers perform. */
interface Operation {
  readonly op: string;
  readonly own: keyof ReturnType<Ours['timedSides']>;
  /** The peers, each with the target for the ratio of its time to horoball's; undefined: no target. */
  readonly peers: Readonly<Record<string, Bar | undefined>>;
  readonly precision: 'float32' | 'bfloat16';
  /** Batches per measurement of the loader: workers deliver in bursts, so a few batches would not be representative. */
  readonly loaded?: number;
}

const operations: readonly Operation[] = [
  {
    op: 'loading',
    own: 'loading',
    peers: { 'torchvision DataLoader': { of: 'ratio', atLeast: 2 } },
    precision: 'float32',
    loaded: 40,
  },
  {
    op: 'training step',
    own: 'step',
    peers: {
      'timm training step': { of: 'ratio', atLeast: 1.3 },
      'timm training step, torch.compile': { of: 'ratio', atLeast: 1.1 },
    },
    precision: 'float32',
  },
  {
    op: 'training step, bfloat16',
    own: 'halfStep',
    peers: { 'timm training step': undefined, 'timm training step, torch.compile': undefined },
    precision: 'bfloat16',
  },
  {
    op: 'training step with loading',
    own: 'both',
    peers: { 'timm training step with torchvision loading': undefined },
    precision: 'float32',
    loaded: 6,
  },
];

/** Target on CPUs with bfloat16 instructions: a bfloat16 step takes at most 0.667 of the time of a float32 step. */
const halfBar: Bar | undefined = /\b(avx512_bf16|amx_bf16)\b/.test(cpuFlags())
  ? { of: 'ratio', atMost: 0.667 }
  : undefined;

function cpuFlags(): string {
  return existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
}

/** A measurement of horoball or of a peer. */
interface Side {
  readonly of: Operation;
  readonly side: string;
  readonly timed: TimedSide;
  readonly note: string;
}

/** Returns the operations whose name matches `--only`. */
function chosen(): readonly Operation[] {
  const names = operations.map(({ op }) => op).join('; ');
  try {
    const pattern = new RegExp(values.only);
    const found = operations.filter(({ op }) => pattern.test(op));
    return found.length > 0
      ? found
      : usageError(
          `--only: expected a pattern that matches an operation, got '${values.only}'. The operations are ${names}`,
        );
  } catch {
    return usageError(`--only: expected a regular expression, got '${values.only}'`);
  }
}

async function measure(
  wanted: readonly Operation[],
  setting: Setting,
  peers: FastestPeers | string,
  save: (rows: Row[]) => Promise<void>,
): Promise<Row[]> {
  await using own = await Ours.make(setting);
  const timedSides = own.timedSides();
  const timedOf = (of: Operation, made: TimedSide): TimedSide =>
    of.loaded === undefined ? made : steady(made, of.loaded);
  const sides = wanted.map(
    (of): Side => ({ of, side: 'horoball', timed: timedOf(of, timedSides[of.own]), note: '' }),
  );
  const absent: Row[] = [];
  for (const [of, side] of wanted.flatMap((of) => Object.keys(of.peers).map((peer) => [of, peer] as const))) {
    say(`preparing ${side}`);
    try {
      if (typeof peers === 'string') throw new Error(peers);
      const made = await peers.prepare(side, {}, { ...peerParams(setting), precision: of.precision });
      sides.push({ of, side, timed: timedOf(of, made), note: made.note });
    } catch (error) {
      const status = `not measured: ${(error as Error).message}`;
      absent.push(row({ ...labels(of, setting), side, status, threads: setting.threads }, of.peers[side]));
    }
  }
  const rowsOf = (rounds: readonly Times[]): Row[] => {
    const timesOf = (op: string): Times | undefined =>
      rounds[sides.findIndex((side) => side.of.op === op && side.side === 'horoball')];
    const timed = sides.flatMap((side, i) =>
      rounds[i]!.length > 0 ? [measured(side, rounds[i]!, timesOf, setting)] : [],
    );
    return wanted.flatMap(({ op }) => [...timed, ...absent].filter((row) => row.op === op));
  };
  const rounds = await alternate(
    sides.map(({ timed }) => timed),
    plan,
    {
      signal: stop.signal,
      onTurn: ({ side, round, rounds }) => {
        const stage = round === 0 ? 'warm-up' : `round ${round}/${rounds}`;
        say(`${stage}: ${sides[side]!.of.op}, ${sides[side]!.side}`);
      },
      onRound: (rounds) => save(rowsOf(rounds)),
    },
  );
  return rowsOf(rounds);
}

type Times = readonly (number | undefined)[];

/**
 * Returns the row of a side. A peer is compared with horoball, and the bfloat16 step of horoball with its float32 step.
 */
function measured(
  { of, side, note }: Side,
  times: Times,
  timesOf: (op: string) => Times | undefined,
  setting: Setting,
): Row {
  const { median: ms, spread } = figure(times);
  const isHalf = side === 'horoball' && of.precision === 'bfloat16';
  const other = side === 'horoball' ? (isHalf ? timesOf('training step') : undefined) : timesOf(of.op);
  const against = other === undefined ? undefined : ratio(times, other);
  const flops = stepFlops(setting.model, side === 'horoball' ? 'class' : 'all');
  const gflop = of.own === 'loading' ? Number.NaN : (flops * setting.batch) / 1e9;
  return row(
    {
      ...labels(of, setting),
      side,
      status: 'measured',
      threads: setting.threads,
      ms,
      spread,
      gflop,
      gflops: (1000 * gflop) / ms,
      value: (1000 * setting.batch) / ms,
      unit: 'images/s',
      against: against === undefined ? '' : isHalf ? 'horoball, float32' : 'horoball',
      ratio: against?.median ?? Number.NaN,
      ratioSpread: against?.spread ?? Number.NaN,
      note,
    },
    side === 'horoball' ? (isHalf ? halfBar : undefined) : of.peers[side],
  );
}

function labels({ op, precision }: Operation, { batch }: Setting) {
  return {
    suite: 'train',
    op,
    shape: `${values.model}, batch ${batch}`,
    n: batch,
    m: 1,
    dim,
    views,
    type: precision,
    geometry: 'hybrid',
    heads: 'tied',
    guards: 'clean',
    pass: 'both',
  } as const;
}

function peerParams({ model, batch, folder }: Setting): object {
  const { imgSize, patchSize, embedDim, depth, numHeads } = model;
  return {
    ...lossSettings,
    imgSize,
    patchSize,
    embedDim,
    depth,
    numHeads,
    dim,
    views,
    batch,
    folder: join(folder, 'train'),
  };
}

function viT() {
  const config = vitConfigs[values.model as keyof typeof vitConfigs];
  if (config === undefined) usageError(`--model: expected one of ${Object.keys(vitConfigs).join(', ')}`);
  return config;
}

await main();
