import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { filePath } from '../check.ts';
import { type Coded, coded, typeError } from '../errors.ts';
import { finalName, isInRun } from '../io/run-path.ts';
import { shellWord } from '../io/shell.ts';
import { checkOnnx } from '../onnx/checksum.ts';
import { readOnnxMetadata } from '../onnx/metadata.ts';
import { isFolder, noNetwork, type Opening, presentStorages } from '../onnx/present.ts';
import { parseServing, type Serving, servingKey } from '../onnx/serving.ts';
import { onnxFiles, type Storage } from '../onnx/storage.ts';
import { pathOfUrl } from './url.ts';

/** A network to serve: the path or the bytes of an ONNX file, and how to use it. */
export interface Served {
  name: string;
  model: string | Uint8Array;
  serving: Serving;
  /** Whether the ONNX file is still the one whose metadata was read. Undefined if the model is in memory. */
  isSame?(): Promise<boolean>;
}

/**
 * Finds the network of a run folder, a checkpoint in it, an exported folder or an ONNX file. A run's network is converted in
 * memory, so its folder may be read-only.
 *
 * @throws Error `ERR_HOROBALL_RUN` for any other folder and a path that does not exist, `ERR_HOROBALL_OPTION` if an
 * exported folder has no file of type `storage`, `ERR_HOROBALL_FORMAT` for a file that horoball did not write
 */
export async function openServed(source: string | URL, storage: Storage | undefined): Promise<Served> {
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw typeError('loadEmbedder', 'source', 'a path or a URL', source);
  }
  const path =
    typeof source === 'string'
      ? filePath('loadEmbedder', 'source', source)
      : pathOfUrl('loadEmbedder', 'source', source);
  if (!(await isFolder(path, opening))) {
    if (await isInRun(path)) return await fromRun(path, storage);
    if (path.endsWith('.safetensors')) throw notInRun(path);
    return await fromFile(path, basename(path));
  }
  const name = basename(resolve(path));
  const exported = await fromExport(path, name, storage);
  if (exported !== undefined) return exported;
  if (await isFile(join(path, finalName))) return await fromRun(path, storage);
  const ofRun = await fromExport(join(path, 'export'), name, storage);
  if (ofRun !== undefined) return ofRun;
  if (!(await isFile(join(path, 'config.json')))) throw noNetwork(path, opening);
  return await fromRun(path, storage); // throws an error that says what the run lacks
}

const opening: Opening = {
  operation: 'loadEmbedder',
  argument: 'source',
  expected: 'a run folder, a checkpoint in it, an exported folder or an ONNX file',
};

function notInRun(file: string): Coded {
  const { operation, argument, expected } = opening;
  const message = `[${operation}] ${argument}: expected ${expected}, got ${file}, which is not a checkpoint next to the config.json of its run. Export it with exportOnnx if saveWeights wrote it, otherwise with: npx horoball export --model NAME --weights ${shellWord(file)}`;
  return coded('ERR_HOROBALL_RUN', message);
}

async function fromFile(path: string, name: string): Promise<Served> {
  const before = await versionOf(path);
  const metadata = await readOnnxMetadata(path);
  await checkOnnx(path);
  const serving = parseServing(metadata.get(servingKey), path);
  return { name, model: path, serving, isSame: async () => (await versionOf(path)) === before };
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs}`;
}

async function fromExport(
  folder: string,
  name: string,
  wanted: Storage | undefined,
): Promise<Served | undefined> {
  const present = await presentStorages(folder);
  if (present.length === 0) return undefined;
  const storage = wanted ?? present[0]!;
  if (!present.includes(storage)) throw notPresent(folder, storage, present);
  return await fromFile(join(folder, onnxFiles[storage]), name);
}

function notPresent(folder: string, storage: Storage, present: readonly Storage[]): Coded {
  const message = `[loadEmbedder] storage: expected one of ${present.join(', ')}, got ${storage}. Export the same network to ${folder} again with --${storage}.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Converts the network of a run to ONNX in memory. Imports the exporter only here, because it requires zod. */
async function fromRun(run: string, storage: Storage = 'fp32'): Promise<Served> {
  const { onnxOf, openSource } = await import('../onnx/source.ts');
  const source = await openSource(run, opening);
  return { name: source.name, model: onnxOf(source, storage), serving: source.serving };
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
