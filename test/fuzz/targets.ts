// Fuzz targets: every reader of untrusted files, with valid inputs and a way to mutate data inside compression and checksums.
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { unzipSync, zipSync } from 'fflate';
import { decode } from '../../lib/image/decode.ts';
import { Gallery, matrix } from '../../lib/index.ts';
import { imageSize } from '../../lib/io/image-size.ts';
import { writeNpy, writeSafetensors } from '../../lib/io/index.ts';
import { jsonWithChecksum } from '../../lib/io/json-checksum.ts';
import { lockHolder } from '../../lib/io/lock.ts';
import { parseViT } from '../../lib/model/vit-json.ts';
import { readOnnxMetadata } from '../../lib/onnx/metadata.ts';
import { unpackLibTorch } from '../../lib/setup/archive.ts';
import { openDataset } from '../../lib/train/data/registry.ts';
import { parseConfig } from '../../lib/train/options/resolve.ts';
import { runPage } from '../../lib/train/report/run/page.ts';
import { studyPage } from '../../lib/train/report/study/study.ts';
import { Checkpoint } from '../../lib/train/run/checkpoint.ts';
import { readRun } from '../../lib/train/run/read.ts';
import { readStudy } from '../../lib/train/study/folder.ts';
import { MatWriter } from '../io/mat-writer.ts';
import { readers } from '../io/readers.ts';
import { fakeFiles } from '../setup/fake-libtorch.ts';
import { fixture } from '../support.ts';
import { makeCars, makeCub, makeInshop, makeSop } from '../train/data/trees.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../train/fake-run.ts';
import { plan, result } from '../train/study/synthetic-study.ts';

export interface FuzzTarget {
  /** Path of the mutated input, relative to the folder. */
  file: string;
  /** Returns the valid inputs that are mutated. */
  originals(folder: string): Promise<Buffer[]>;
  read(path: string): Promise<unknown>;
  /** Whether inputs are JSON; otherwise they are changed as bytes only. */
  isJson?: true;
  /** Applies `change` to the content inside an input, and rebuilds the compression, checksum, length or file around it. */
  inside?(input: Buffer, change: (inner: Buffer) => Buffer): Buffer | Promise<Buffer>;
}

const fixtures = (folder: string, names: readonly string[]): Promise<Buffer[]> =>
  Promise.all(names.map((name) => readFile(fixture(`${folder}/${name}`))));

function insideZip(pattern: RegExp): NonNullable<FuzzTarget['inside']> {
  return (input, change) => {
    const entries = unzipSync(input);
    for (const name of Object.keys(entries))
      if (pattern.test(name)) entries[name] = new Uint8Array(change(Buffer.from(entries[name]!)));
    return Buffer.from(zipSync(entries, { level: 0 }));
  };
}

/** Returns a target that opens the data set that `make` writes, with mutations of its `file`. */
function listOf(name: string, file: string, make: (root: string) => Promise<void>): FuzzTarget {
  return {
    file,
    originals: async (folder) => {
      await make(folder);
      return [await readFile(join(folder, file))];
    },
    read: (path) => openDataset(name, name === 'csv' ? path : path.slice(0, -file.length)),
  };
}

/** Applies `change` to the JSON header of a safetensors file, and updates the header's length. */
function insideHeader(input: Buffer, change: (inner: Buffer) => Buffer): Buffer {
  const length = Number(input.readBigUInt64LE());
  const header = change(input.subarray(8, 8 + length));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([size, header, input.subarray(8 + length)]);
}

/** Applies `change` to JSON without its checksum, and adds a new checksum if the result is an object. */
const checked: NonNullable<FuzzTarget['inside']> = (input, change) => {
  const { crc32: _, ...content } = JSON.parse(input.toString()) as Record<string, unknown>;
  const value: unknown = JSON.parse(change(Buffer.from(JSON.stringify(content))).toString());
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return Buffer.from(isObject ? jsonWithChecksum(value) : JSON.stringify(value));
};

const model = { img_size: 16, patch_size: 8, embed_dim: 24, depth: 2, num_heads: 3 };
const json = (...values: unknown[]): Buffer[] => values.map((value) => Buffer.from(JSON.stringify(value)));
const config = (): object => ({ ...parseConfig({ ds: 'folder', path: 'x' }), name: 'run' });

const contents = {
  version: 1,
  config: config(),
  position: {
    ...{ step: 3, seconds: 1, metricsBytes: 9, metricsCrc32: 7, complete: false },
    best: { step: 2, epoch: 1, recall: 0.5 },
    baselines: [{ name: 'Raw pixels', recall: { at: { 1: 0.5 }, strict: [] } }],
  },
  scaler: { scale: 8, goodSteps: 1, skipped: 0 },
  learnt: { steps: 3, places: { t_e: { offset: 0, first: 0, second: 0 } } },
  machine: { libtorch: '2.13.0', threads: 2 },
};

const rows = [evaluationRow(0, 0.1), stepRow(1), stepRow(2), fakeHealth, evaluationRow(2, 0.6)];

/** Returns a target that reads a run folder with mutations of its `file`, which initially contains `text`. */
function fileOfRun(file: string, text: string, inside?: FuzzTarget['inside']): FuzzTarget {
  return {
    file,
    isJson: true,
    originals: async (folder) => {
      await writeFile(join(folder, 'config.json'), JSON.stringify(config()));
      await writeFile(
        join(folder, 'metrics.jsonl'),
        rows.map((row) => `${jsonWithChecksum(row)}\n`).join(''),
      );
      await writeFile(join(folder, 'snapshot.json'), jsonWithChecksum(fakeSnapshot()));
      return [Buffer.from(text)];
    },
    read: async (path) => runPage(await readRun(path.slice(0, -file.length))),
    ...(inside && { inside }),
  };
}

const aLock = {
  ...{
    pid: process.pid,
    host: 'a',
    machine: 'b',
    boot: 'c',
    began: '1',
    space: 'd',
    locked: true,
    token: 'e',
  },
  thread: { id: 1, began: '2' },
};

export const targets: Readonly<Record<string, FuzzTarget>> = {
  npy: {
    file: 'a.npy',
    originals: async (folder) => {
      await writeNpy(join(folder, 'a.npy'), Float32Array.of(0, 1, 2, 3, 4, 5), [2, 3]);
      return [await readFile(join(folder, 'a.npy'))];
    },
    read: readers['npy']!,
  },
  safetensors: {
    file: 'a.safetensors',
    originals: async (folder) => {
      const data = Float32Array.of(0, 1, 2, 3, 4, 5);
      const tensors = { weight: { shape: [2, 3], data }, other: { shape: [6], data: new Uint8Array(6) } };
      const files = [false, true].map(async (checksums) => {
        const file = join(folder, `${checksums}.safetensors`);
        await writeSafetensors(file, tensors, { metadata: { format: 'pt' }, checksums });
        return await readFile(file);
      });
      return await Promise.all(files);
    },
    read: readers['safetensors']!,
    inside: insideHeader,
  },
  gallery: {
    file: 'gallery.safetensors',
    originals: async (folder) => {
      const gallery = new Gallery<Float64Array>({ c: 1 });
      await gallery.add(matrix(new Float64Array(18).fill(0.1), 6, 3), Int32Array.of(0, 0, 1, 1, 2, 2));
      await gallery.remove([1]);
      await gallery.save(join(folder, 'gallery.safetensors'));
      return [await readFile(join(folder, 'gallery.safetensors'))];
    },
    read: async (path) => {
      const gallery = await Gallery.load(path);
      return await gallery.topK(matrix(new Float64Array(3), 1, 3) as never, { k: 1 });
    },
    inside: insideHeader,
  },
  mat: {
    file: 'a.mat',
    originals: () => fixtures('mat', ['mixed.mat', 'plain.mat', 'sample.mat']),
    read: readers['mat']!,
    inside: (input, change) => {
      if (input.readUInt32LE(128) !== 15) return change(input);
      const inflated = inflateSync(input.subarray(136), { finishFlush: 2 });
      return new MatWriter().around([new MatWriter().compressed(change(inflated))]);
    },
  },
  pth: {
    file: 'a.pth',
    originals: () => fixtures('pth', ['values.pth', 'wrapped.pth', 'dino.pth', 'plain4.pth']),
    read: readers['pth']!,
    inside: insideZip(/data\.pkl$/),
  },
  weights: {
    file: 'b.pth',
    originals: () => fixtures('pth', ['values.pth', 'wrapped.pth', 'dino.pth']),
    read: readers['weights']!,
    inside: insideZip(/data\.pkl$/),
  },
  archive: {
    file: 'a.zip',
    originals: async () => {
      const entries = Object.entries(fakeFiles()).map(
        ([name, text]) => [`libtorch/${name}`, Buffer.from(text)] as const,
      );
      return [Buffer.from(zipSync(Object.fromEntries(entries)))];
    },
    read: (path) =>
      unpackLibTorch(
        path,
        `${path}.unpacked`,
        async () => {},
        () => {},
      ),
  },
  onnx: {
    file: 'a.onnx',
    originals: async () => [Buffer.from('080a12046e616d6572080a016b1203617661', 'hex')],
    read: readOnnxMetadata,
  },
  header: {
    file: 'a.jpg',
    originals: () => fixtures('images', ['rgb.jpg', 'progressive.jpg', 'rgb.png', 'palette.png']),
    read: async (path) => imageSize('fuzz', await readFile(path)),
  },
  image: {
    file: 'a.image',
    originals: async () => {
      const names = await readdir(fixture('images'));
      return await fixtures(
        'images',
        names.filter((name) => /\.(bmp|pbm|pgm|ppm|png|jpg|tif|webp)$/.test(name)),
      );
    },
    read: async (path) => decode(await readFile(path), 2 ** 16),
  },
  csv: listOf('csv', 'list.csv', async (root) => {
    const lines = [
      'path,label,split',
      ...[0, 1, 2, 3].map((i) => `"a ${i}.jpg",class ${i >> 1},${i < 2 ? 'train' : 'test'}`),
    ];
    await cp(fixture('images/rgb.jpg'), join(root, 'a 0.jpg'));
    await writeFile(join(root, 'list.csv'), `${lines.join('\n')}\n`);
  }),
  cub: listOf('CUB', 'CUB_200_2011/images.txt', makeCub),
  cars: listOf('Cars', 'cars_annos.mat', makeCars),
  sop: listOf('SOP', 'Stanford_Online_Products/Ebay_train.txt', makeSop),
  inshop: listOf('Inshop', 'Eval/list_eval_partition.txt', makeInshop),
  vit: {
    file: 'vit.json',
    isJson: true,
    originals: async () =>
      json(model, { ...model, mean: [0, 0, 0], std: [1, 1, 1], reg_tokens: 2, global_pool: 'avg' }),
    read: async (path) => parseViT(await readFile(path, 'utf8'), () => model as never),
  },
  config: fileOfRun('config.json', JSON.stringify(config())),
  row: fileOfRun('metrics.jsonl', jsonWithChecksum(rows[0]!), checked),
  step: fileOfRun('metrics.jsonl', jsonWithChecksum(rows[1]!), checked),
  health: fileOfRun('metrics.jsonl', jsonWithChecksum(fakeHealth), checked),
  snapshot: fileOfRun('snapshot.json', jsonWithChecksum(fakeSnapshot()), checked),
  plan: {
    file: 'sweep.json',
    isJson: true,
    originals: async () => [Buffer.from(jsonWithChecksum(plan()))],
    read: async (path) => studyPage(await readStudy(path.slice(0, -'sweep.json'.length))),
    inside: checked,
  },
  result: {
    file: 'results.jsonl',
    isJson: true,
    originals: async (folder) => {
      await writeFile(join(folder, 'sweep.json'), jsonWithChecksum(plan()));
      return [Buffer.from(jsonWithChecksum(result(plan().cells[0]!.id, 1, 0.5)))];
    },
    read: async (path) => studyPage(await readStudy(path.slice(0, -'results.jsonl'.length))),
    inside: checked,
  },
  checkpoint: {
    file: 'last.safetensors',
    isJson: true,
    originals: async () => json(contents),
    read: (path) => Checkpoint.read(path),
    inside: (input, change) => written({ 'horoball.checkpoint': change(input).toString() }),
  },
  lock: {
    file: '.training',
    isJson: true,
    originals: async () => json(aLock, 7),
    read: (path) => lockHolder(path),
  },
};

/** Returns the bytes of a small safetensors file with checksums and this metadata. */
async function written(metadata: Record<string, string>): Promise<Buffer> {
  const folder = join(process.cwd(), 'build', 'fuzz');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${process.pid}.safetensors`);
  await writeSafetensors(
    file,
    { weight: { shape: [1], data: new Float32Array(1) } },
    { metadata, checksums: true },
  );
  return await readFile(file);
}
