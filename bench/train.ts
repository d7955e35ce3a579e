// `npm run bench:train`: pictures a second through a whole training step, with the loader and without it, against
// timm and torchvision in eager torch; the loaders alone too.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { setThreads, vitConfigs } from '../lib/train/index.ts';
import { uniform } from './inputs.ts';
import { alternate, figure, type Plan, type Player, ratio } from './measure.ts';
import { PeerWorker } from './peers/client.ts';
import { type Row, row } from './rows.ts';
import { lossSettings } from './shapes.ts';
import { table } from './table.ts';
import { dim, Ours, type Setting, steady, views } from './train-side.ts';

const help = `npx horoball bench train [options], in a checkout npm run bench:train -- [options]
  --model NAME    vit_nano or vit_small_patch16_224 (default)
  --batch N       pictures a step, 2 views a class (default: 16)
  --threads N     threads of both sides (default: as many as the machine has)
  --python FILE   an interpreter that has the peers (default: bench/peers/.venv)
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    model: { type: 'string', default: 'vit_small_patch16_224' },
    batch: { type: 'string', default: '16' },
    threads: { type: 'string', default: String(availableParallelism()) },
    python: { type: 'string' },
  },
});

const pictureCount = 96;
/** A folder of pictures has a test split too. */
const testCount = 8;
const plan: Plan = { rounds: 5, slowRounds: 5, slowMs: 0, turnMs: 0, settleMs: 1000 };

async function main(): Promise<void> {
  const [threads, batch] = [Number(values.threads), Number(values.batch)];
  setThreads(threads);
  const folder = await mkdtemp(join(tmpdir(), 'horoball-pictures-'));
  try {
    await makePictures(folder);
    const rows = await measure({ model: viT(), threads, batch, folder });
    process.stdout.write(table(rows));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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

/** One thing measured, ours or theirs. */
interface Side {
  readonly op: string;
  readonly side: string;
  readonly player: Player;
  readonly note: string;
}

const operations = {
  loading: ['loading', 'torchvision DataLoader'],
  step: ['training step', 'timm training step'],
  both: ['training step with loading', 'timm training step with torchvision loading'],
} as const;

async function measure(setting: Setting): Promise<Row[]> {
  await using own = await Ours.make(setting);
  const players = own.players();
  const sides: Side[] = (['loading', 'step', 'both'] as const).map((key) => {
    return { op: operations[key][0], side: 'horoball', player: players[key], note: '' };
  });
  const absent: Row[] = [];
  const worker = await PeerWorker.start({ threads: setting.threads, python: values.python }).catch(
    (error: Error) => error.message,
  );
  for (const [op, name] of Object.values(operations)) {
    try {
      if (typeof worker === 'string') throw new Error(worker);
      const made = await worker.prepare(name, {}, peerParams(setting));
      const player = op === 'training step' ? made : steady(made);
      sides.push({ op, side: name, player, note: made.note });
    } catch (error) {
      const status = `not measured: ${(error as Error).message}`;
      absent.push(row({ ...labels(op, setting), side: name, status, threads: setting.threads }));
    }
  }
  const rounds = await alternate(
    sides.map(({ player }) => player),
    plan,
  );
  if (typeof worker !== 'string') await worker.stop();
  return [
    ...sides.map((side, i) => measured(side, rounds[i]!, rounds[ownIndex(side, sides)]!, setting)),
    ...absent,
  ];
}

function ownIndex({ op }: Side, sides: readonly Side[]): number {
  return sides.findIndex((side) => side.op === op && side.side === 'horoball');
}

type Times = readonly (number | undefined)[];

function measured({ op, side, note }: Side, times: Times, own: Times, setting: Setting): Row {
  const { median: ms, spread } = figure(times);
  const against = side === 'horoball' ? undefined : ratio(times, own);
  return row({
    ...labels(op, setting),
    side,
    status: 'measured',
    threads: setting.threads,
    ms,
    spread,
    value: (1000 * setting.batch) / ms,
    unit: 'pictures/s',
    against: against === undefined ? '' : 'horoball',
    ratio: against?.median ?? Number.NaN,
    ratioSpread: against?.spread ?? Number.NaN,
    note,
  });
}

function labels(op: string, { batch }: Setting) {
  return {
    suite: 'train',
    op,
    shape: `${values.model}, batch ${batch}`,
    n: batch,
    m: 1,
    dim,
    views,
    type: 'float32',
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
  if (config === undefined) throw new Error(`--model: expected one of ${Object.keys(vitConfigs).join(', ')}`);
  return config;
}

if (values.help) process.stdout.write(help);
else await main();
