// Commands into which faults are injected. Each is run in a folder that `prepare` fills, and can be repeated after a
// fault.
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zipSync } from 'fflate';
import { readSafetensors } from '../../lib/io/index.ts';
import { isLockName } from '../../lib/io/lock.ts';
import { main } from '../cli/run.ts';
import { fakeFiles } from '../setup/fake-libtorch.ts';
import { comparableFiles } from '../train/run/comparable-files.ts';
import { classNames, tinyRun, writeImages } from '../train/tiny-data.ts';
import { host, send } from '../train/weights/host.ts';
import { ending } from './shim.ts';

export interface FaultyCommand {
  name: string;
  prepare(folder: string): Promise<void>;
  /** Arguments of node. */
  args(folder: string): string[];
  /** Returns the command's files or output, without time-dependent parts. They must not depend on earlier faults. */
  result(folder: string, stdout: string): Promise<unknown>;
}

const words = (options: object): string[] =>
  Object.entries(options).map(([key, value]) => `--${key}=${value}`);

const { freeze: _, eval_ep: __, ...tiny } = tinyRun;
const common = { ...tiny, freeze: 'None', bs: 16, threads: 1, workers: 1 };
const trained = { ...common, ep: 4, eval_ep: '[0]+[2]+[4]', ema: 0.9, learn: 't_e', save_every: 0 };

const trainArgs = (folder: string): string[] => {
  const places = { path: join(folder, 'images'), runs: join(folder, 'runs'), name: 'run', resume: 'auto' };
  return [main, 'train', '--json', ...words({ ...trained, ...places })];
};

async function prepareImages(folder: string): Promise<void> {
  await writeImages(join(folder, 'images'), classNames(16), 4);
}

async function prepareRun(folder: string): Promise<void> {
  await prepareImages(folder);
  const { code, stderr } = await ending(trainArgs(folder));
  if (code !== 0) throw new Error(stderr);
}

/** All files below a folder, by path. */
async function contents(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(files.sort().map((file) => readFile(file, 'base64')));
  return Object.fromEntries(files.map((file, i) => [file.slice(folder.length), texts[i]!]));
}

const packages = fileURLToPath(new URL('../../../test/fixtures/emoji', import.meta.url));
const unpacking = fileURLToPath(new URL('unpack.js', import.meta.url));

const mirror = await host((request, response) => send(request, response, { headers: { etag: '"1"' } }));
mirror.server.unref();

export const commands: readonly FaultyCommand[] = [
  {
    name: 'train',
    prepare: prepareImages,
    args: trainArgs,
    result: (folder) => comparableFiles(join(folder, 'runs', 'run')),
  },
  {
    name: 'eval',
    prepare: prepareRun,
    args: (folder) => [
      ...[main, 'eval', join(folder, 'runs', 'run'), '--json'],
      ...[`--per-query=${join(folder, 'queries.jsonl')}`, `--path=${join(folder, 'images')}`],
    ],
    result: async (folder, stdout) => [stdout, await readFile(join(folder, 'queries.jsonl'), 'utf8')],
  },
  {
    name: 'sweep',
    prepare: prepareImages,
    args: (folder) => [
      ...[main, 'sweep', '--json', `--out=${join(folder, 'study')}`, '--t=0.1,0.3', '--seeds=1'],
      ...words({ ...common, ep: 1, geometry: 'hybrid', path: join(folder, 'images') }),
    ],
    result: async (folder) => {
      const lines = (await readFile(join(folder, 'study', 'results.jsonl'), 'utf8')).trimEnd().split('\n');
      return lines.map((line) => ({ ...JSON.parse(line), seconds: null, crc32: null }));
    },
  },
  {
    name: 'data',
    prepare: (folder) => cp(packages, join(folder, 'packages'), { recursive: true }),
    args: (folder) => [
      ...[main, 'data', 'emoji', '--json', '--size=24'],
      ...[`--from=${join(folder, 'packages')}`, `--out=${join(folder, 'emoji')}`],
    ],
    result: (folder) => contents(join(folder, 'emoji')),
  },
  {
    name: 'export',
    prepare: prepareRun,
    args: (folder) => [
      main,
      'export',
      join(folder, 'runs', 'run'),
      '--json',
      `--onnx=${join(folder, 'onnx')}`,
    ],
    // A lock or its temporary file that could not be removed does no harm: the next export removes both.
    result: async (folder) => {
      const files = Object.entries(await contents(join(folder, 'onnx')));
      return Object.fromEntries(files.filter(([name]) => !isLockName(name.slice(1), '.exporting')));
    },
  },
  {
    name: 'embed',
    prepare: prepareRun,
    args: (folder) => [
      ...[main, 'embed', join(folder, 'runs', 'run'), '--json', `--path=${join(folder, 'images')}`],
      `--out=${join(folder, 'embedded.safetensors')}`,
    ],
    result: async (folder) => (await readSafetensors(join(folder, 'embedded.safetensors'))).tensors,
  },
  {
    name: 'pull',
    prepare: (folder) => mkdir(join(folder, 'cache')),
    args: (folder) => [
      ...[main, 'weights', 'pull', `${mirror.url}/model.safetensors`],
      ...[`--cache=${join(folder, 'cache')}`, '--json'],
    ],
    // Partial files of a repeated download may remain, but nothing reads them.
    result: async (folder) => {
      const files = Object.entries(await contents(join(folder, 'cache')));
      return Object.fromEntries(files.filter(([name]) => !name.includes('.part')));
    },
  },
  {
    name: 'unpack',
    prepare: async (folder) => {
      await mkdir(join(folder, 'cache'));
      const entries = Object.entries(fakeFiles()).map(
        ([name, text]) => [`libtorch/${name}`, Buffer.from(text.repeat(500))] as const,
      );
      await writeFile(join(folder, 'libtorch.zip'), zipSync(Object.fromEntries(entries)));
    },
    args: (folder) => [unpacking, folder],
    result: (folder) => contents(join(folder, 'cache')),
  },
];
