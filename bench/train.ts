// `npm run bench:train`: pictures a second through a whole training step, with the loader and without it, against
// timm and torchvision in eager torch; the loaders alone too.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { setThreads, vitConfigs } from '../lib/train/index.ts';
import { called, count, misused, type ParseArgsOptionsConfig } from './arguments.ts';
import { uniform } from './inputs.ts';
import { alternate, figure, type Plan, type Player, ratio } from './measure.ts';
import { Output, origin, outputOptions } from './output.ts';
import { PeerWorker } from './peers/client.ts';
import { type Bar, type Row, row } from './rows.ts';
import { lossSettings } from './shapes.ts';
import { dim, Ours, type Setting, steady, views } from './train-side.ts';

const help = `Usage: horoball bench train [options]
       npm run bench:train -- [options]                in a checkout

  --model NAME    vit_nano, vit_small_patch16_224, ... (default
                  vit_small_patch16_224)
  --batch N       pictures a step, 2 views a class (default 16)
  --threads N     threads of both sides (default as many as the machine has)
  --only PATTERN  operations whose name matches: loading, '^training step$',
                  bfloat16, ... (default all)
  --python FILE   an interpreter that has the peers (default that of
                  bench/peers/.venv, made by npm run bench:peers)
  --out DIR       where MACHINE-COMMIT-train[-OPTIONS].csv and .html are written
                  (default bench/rows of a checkout, else horoball-bench)
  --json          one JSON object a row on stdout, and the table on stderr
`;

const options = {
  help: { type: 'boolean' },
  model: { type: 'string', default: 'vit_small_patch16_224' },
  batch: { type: 'string', default: '16' },
  threads: { type: 'string', default: String(availableParallelism()) },
  only: { type: 'string', default: '' },
  python: { type: 'string' },
  ...outputOptions,
} as const satisfies ParseArgsOptionsConfig;

const values = called(help, options);

const pictureCount = 96;
/** A folder of pictures has a test split too. */
const testCount = 8;
const plan: Plan = { rounds: 5, slowRounds: 5, slowMs: 0, turnMs: 0, settleMs: 1000 };

async function main(): Promise<void> {
  const [threads, batch] = [count('--threads', values.threads), count('--batch', values.batch)];
  const model = viT();
  const wanted = chosen();
  setThreads(threads);
  const load = loadavg()[0]!.toFixed(1);
  const folder = await mkdtemp(join(tmpdir(), 'horoball-pictures-'));
  const peers = await PeerWorker.start({ threads, python: values.python }).catch(
    (error: Error) => error.message,
  );
  try {
    await makePictures(folder);
    const rows = await measure(wanted, { model, threads, batch, folder }, peers);
    const results = { about: { ...origin(threads, peers), load }, rows };
    const output = new Output(values, ['train', ...given()]);
    await output.save(results);
    output.print(results);
  } finally {
    if (typeof peers !== 'string') await peers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Words for what is not as by default. */
function given(): string[] {
  const named = ['model', 'batch', 'threads', 'only'] as const;
  return named
    .filter((name) => values[name] !== options[name].default)
    .map((name) => `${name} ${values[name]}`);
}

/** JPEG files of the size that the published data sets have, with smooth random content. */
async function makePictures(folder: string): Promise<void> {
  const next = uniform(81);
  const channels = 3;
  const [width, height] = [40, 30];
  for (let i = 0; i < pictureCount + testCount; ++i) {
    const pixels = Uint8Array.from({ length: width * height * channels }, () => 256 * next());
    const grown = sharp(pixels, { raw: { width, height, channels } }).resize(500, 375, { kernel: 'cubic' });
    const parent = join(folder, i < pictureCount ? 'train' : 'test', `class${Math.floor(i / 8)}`);
    await mkdir(parent, { recursive: true });
    await writeFile(join(parent, `${i}.jpg`), await grown.jpeg({ quality: 90 }).toBuffer());
  }
}

/** One thing that both do, and what its rows are held to. */
interface Operation {
  readonly op: string;
  readonly own: keyof ReturnType<Ours['players']>;
  readonly peer: string;
  /** Of the peer's row: its time over ours. */
  readonly bar: Bar | undefined;
  readonly precision: 'float32' | 'bfloat16';
}

const operations: readonly Operation[] = [
  {
    op: 'loading',
    own: 'loading',
    peer: 'torchvision DataLoader',
    bar: { of: 'ratio', atLeast: 2 },
    precision: 'float32',
  },
  {
    op: 'training step',
    own: 'step',
    peer: 'timm training step',
    bar: { of: 'ratio', atLeast: 0.97 },
    precision: 'float32',
  },
  {
    op: 'training step, bfloat16',
    own: 'halfStep',
    peer: 'timm training step',
    bar: undefined,
    precision: 'bfloat16',
  },
  {
    op: 'training step with loading',
    own: 'both',
    peer: 'timm training step with torchvision loading',
    bar: undefined,
    precision: 'float32',
  },
];

/** The bfloat16 step against the float32 one, where the processor multiplies in bfloat16. */
const halfBar: Bar | undefined = /\b(avx512_bf16|amx_bf16)\b/.test(cpuFlags())
  ? { of: 'ratio', atMost: 0.667 }
  : undefined;

function cpuFlags(): string {
  return existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
}

/** One thing measured, ours or theirs. */
interface Side {
  readonly of: Operation;
  readonly side: string;
  readonly player: Player;
  readonly note: string;
}

/** The operations whose name matches `--only`. */
function chosen(): readonly Operation[] {
  const names = operations.map(({ op }) => op).join(', ');
  try {
    const pattern = new RegExp(values.only);
    const found = operations.filter(({ op }) => pattern.test(op));
    return found.length > 0 ? found : misused(`--only ${values.only}: expected part of ${names}`);
  } catch {
    return misused(`--only ${values.only}: expected a pattern, got one that cannot be read`);
  }
}

async function measure(
  wanted: readonly Operation[],
  setting: Setting,
  peers: PeerWorker | string,
): Promise<Row[]> {
  await using own = await Ours.make(setting);
  const players = own.players();
  const sides = wanted.map((of): Side => ({ of, side: 'horoball', player: players[of.own], note: '' }));
  const absent: Row[] = [];
  for (const of of wanted) {
    try {
      if (typeof peers === 'string') throw new Error(peers);
      const made = await peers.prepare(of.peer, {}, { ...peerParams(setting), precision: of.precision });
      const player = of.own === 'step' || of.own === 'halfStep' ? made : steady(made);
      sides.push({ of, side: of.peer, player, note: made.note });
    } catch (error) {
      const status = `not measured: ${(error as Error).message}`;
      absent.push(row({ ...labels(of, setting), side: of.peer, status, threads: setting.threads }, of.bar));
    }
  }
  const rounds = await alternate(
    sides.map(({ player }) => player),
    plan,
  );
  const timesOf = (op: string): Times | undefined =>
    rounds[sides.findIndex((side) => side.of.op === op && side.side === 'horoball')];
  const rows = [...sides.map((side, i) => measured(side, rounds[i]!, timesOf, setting)), ...absent];
  return wanted.flatMap(({ op }) => rows.filter((row) => row.op === op));
}

type Times = readonly (number | undefined)[];

/** A peer is compared with our side of the operation, our bfloat16 step with our float32 one. */
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
  return row(
    {
      ...labels(of, setting),
      side,
      status: 'measured',
      threads: setting.threads,
      ms,
      spread,
      value: (1000 * setting.batch) / ms,
      unit: 'pictures/s',
      against: against === undefined ? '' : isHalf ? 'horoball, float32' : 'horoball',
      ratio: against?.median ?? Number.NaN,
      ratioSpread: against?.spread ?? Number.NaN,
      note,
    },
    side === 'horoball' ? (isHalf ? halfBar : undefined) : of.bar,
    against?.slack,
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
  if (config === undefined) misused(`--model: expected one of ${Object.keys(vitConfigs).join(', ')}`);
  return config;
}

await main();
