// The folder layout of Hugging Face's model repositories, which transformers.js loads.
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { coded } from '../errors.ts';
import { removeTemporaries } from '../io/atomic.ts';
import { ensureFolder } from '../io/folder.ts';
import { readInside } from '../io/inside.ts';
import { parsedJson } from '../io/json.ts';
import { Lock } from '../io/lock.ts';
import { writeText } from '../io/text.ts';
import { cardMark, modelCard } from './card.ts';
import { isOnnxOf, writeOnnx } from './checksum.ts';
import { readOnnxMetadata } from './metadata.ts';
import { presentStorages } from './present.ts';
import { servingKey } from './serving.ts';
import { type BackboneSource, type OnnxSource, onnxOf, openSource } from './source.ts';
import { dtypes, onnxFiles, type Storage, storages } from './storage.ts';

/** Names of the files of an export, without their folders. */
const fileNames: readonly string[] = [
  ...['config.json', 'preprocessor_config.json', 'README.md'],
  ...Object.values(onnxFiles).map((file) => basename(file)),
];

/** Options of {@link exportOnnxFolder}. */
export interface ExportFolderOptions {
  /** Storage types of the files to write; default `['fp32']`. Files of an earlier export of the same network remain. */
  storages?: readonly Storage[] | undefined;
}

/** The result of {@link exportOnnxFolder}. */
export interface ExportedFolder {
  folder: string;
  /** The files written, relative to the folder, with their sizes in bytes. */
  files: { name: string; bytes: number }[];
  /** Side of the images in pixels. */
  size: number;
  /** Dimension of the embedding. */
  dim: number;
  /** The ball's curvature is -c; null for a backbone without a head. */
  c: number | null;
}

/**
 * Writes a network as a folder in the layout that the `image-feature-extraction` pipeline of transformers.js loads:
 * `config.json`, `preprocessor_config.json`, one file per storage type in `onnx`, and a model card, README.md. See
 * `exportOnnx` for the inputs and outputs.
 *
 * @param folder - created if missing; a folder with another model, or with another README.md, is rejected
 * @throws Error `ERR_HOROBALL_OPTION` if the folder contains another model, or a file of another network that would
 * remain, or if another export is writing to it; the errors of `exportOnnx`
 */
export async function exportOnnxFolder(
  source: string | BackboneSource,
  folder: string,
  { storages: wanted = ['fp32'] }: ExportFolderOptions = {},
): Promise<ExportedFolder> {
  const opened = await openSource(source);
  await ensureFolder(folder);
  await using _ = await Lock.take(join(folder, '.exporting'), (holder, advice) => {
    const message = `[export] onnx: expected a folder that is not in use, got ${folder}: ${holder} is exporting to it. ${advice}`;
    return coded('ERR_HOROBALL_OPTION', message, RangeError);
  });
  const earlier = await checkFree(folder);
  if (earlier === null) await checkForeign(folder);
  await checkOthers(folder, opened, wanted);
  await ensureFolder(join(folder, 'onnx'));
  // Those of killed exports, because only the holder of the lock writes these files.
  for (const inside of ['.', 'onnx']) await removeTemporaries(join(folder, inside), fileNames);
  // Removed first and written last: transformers.js does not load a folder without it, so it ignores an interrupted export.
  await rm(join(folder, 'config.json'), { force: true });
  const files: ExportedFolder['files'] = [];
  try {
    for (const storage of storages.filter((each) => wanted.includes(each))) {
      const name = onnxFiles[storage];
      files.push({ name, bytes: await writeOnnx(join(folder, name), onnxOf(opened, storage)) });
      if (files.length === 1) await removeOthers(folder, wanted, name);
    }
  } catch (error) {
    const isWhole = files.length === 0 && earlier !== null; // the earlier export is unchanged
    if (isWhole) await writeText(join(folder, 'config.json'), earlier).catch(() => {});
    throw error;
  }
  const present = await presentStorages(folder);
  const texts = {
    'preprocessor_config.json': json(preprocessorOf(opened)),
    'README.md': modelCard(opened, present, basename(resolve(folder))),
    'config.json': json(configOf(opened, present)),
  };
  for (const [name, text] of Object.entries(texts)) {
    await writeText(join(folder, name), text);
    files.push({ name, bytes: Buffer.byteLength(text) });
  }
  const { size, dim, c } = opened.serving;
  return { folder, files, size, dim, c };
}

/**
 * Rejects a run folder or another model, whose config.json would be replaced.
 * @returns the config.json of an earlier export, if any
 */
async function checkFree(folder: string): Promise<string | null> {
  const file = join(folder, 'config.json');
  const text = await readInside(file);
  if (text === null || (parsedJson(text, file) as Record<string, unknown> | null)?.['horoball'] !== undefined)
    return text;
  const message = `[export] onnx: expected a new folder or an earlier export, got ${folder}, which contains a config.json that is not from an export. Choose another folder.`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/**
 * Rejects a folder without config.json that has files of other programs under the names of an export, which would be
 * replaced. An interrupted export leaves its own files without config.json.
 */
async function checkForeign(folder: string): Promise<void> {
  const readme = (await readInside(join(folder, 'README.md'))) ?? cardMark;
  const files = (await presentStorages(folder)).map((storage) => onnxFiles[storage]);
  const isOwn = async (name: string): Promise<boolean> =>
    await readOnnxMetadata(join(folder, name)).then(
      (metadata) => metadata.has(servingKey),
      () => false,
    );
  const foreign = [...(readme.includes(cardMark) ? [] : ['README.md'])];
  for (const name of files) if (!(await isOwn(name))) foreign.push(name);
  if (foreign.length === 0) return;
  const message = `[export] onnx: expected a new folder or an earlier export, got ${folder}, which contains files that are not from an export: ${foreign.join(', ')}. Choose another folder.`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Rejects a folder that would contain files of two networks, of which a program could load either. */
async function checkOthers(folder: string, opened: OnnxSource, wanted: readonly Storage[]): Promise<void> {
  for (const storage of await presentStorages(folder)) {
    const name = onnxFiles[storage];
    if (wanted.includes(storage) || (await isOnnxOf(join(folder, name), onnxOf(opened, storage)))) continue;
    const message = `[export] onnx: expected a new folder or an earlier export of the same network, got ${folder}, whose ${name} differs. Choose another folder, or replace that file, too (--${storage}).`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
}

/**
 * Removes the files that will be replaced, except the first one, which has just been written. Otherwise `loadEmbedder`,
 * which needs no config.json, could load the earlier network from them after an interrupted export.
 */
async function removeOthers(folder: string, wanted: readonly Storage[], first: string): Promise<void> {
  for (const name of wanted.map((storage) => onnxFiles[storage]))
    if (name !== first) await rm(join(folder, name), { force: true });
}

/** Returns the config.json: the network in transformers' terms and, under the key `horoball`, how to serve it. */
function configOf({ network, serving }: OnnxSource, present: readonly Storage[]): object {
  const { model } = network;
  const [first] = present;
  return {
    model_type: 'vit',
    architectures: ['ViTModel'],
    hidden_size: model.embedDim,
    num_hidden_layers: model.depth,
    num_attention_heads: model.numHeads,
    intermediate_size: Math.trunc(model.embedDim * model.mlpRatio),
    hidden_act: 'gelu',
    image_size: model.imgSize,
    patch_size: model.patchSize,
    num_channels: 3,
    qkv_bias: model.qkvBias,
    layer_norm_eps: model.normEps,
    projection_dim: serving.dim,
    ...(first !== 'fp32' && first !== undefined && { 'transformers.js_config': { dtype: dtypes[first] } }),
    horoball: serving,
  };
}

/** PIL's number for the bicubic filter. */
const bicubic = 3;

function preprocessorOf({ serving }: OnnxSource): object {
  const { size, resize, mean, std } = serving;
  return {
    image_processor_type: 'ViTImageProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { shortest_edge: resize },
    resample: bicubic,
    do_center_crop: true,
    crop_size: { height: size, width: size },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
