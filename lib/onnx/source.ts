import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { geometries } from '../card-names.ts';
import { type Geometry, geometryCard } from '../cards.ts';
import { checkMethods, checkObject, checkText, filePath } from '../check.ts';
import { type Coded, coded } from '../errors.ts';
import { defaultMaxPixels } from '../image/fault.ts';
import { backgrounds } from '../image/resample.ts';
import { shapeText } from '../io/elements.ts';
import { checkInside, readInside } from '../io/inside.ts';
import { damaged, maxOptionValues, parsedJson } from '../io/json.ts';
import { checkedBy } from '../io/read-back.ts';
import {
  checkpointKey,
  checkSameRun,
  isInRun,
  lastName,
  networkKey,
  olderText,
  optionsKey,
  type RunPath,
  runPathOf,
  withoutWeightsText,
} from '../io/run-path.ts';
import { readSafetensors, type SafeTensor, SafetensorsFile } from '../io/safetensors.ts';
import { isReals, type Reals } from '../matrix.ts';
import { leastC, leastFloat } from '../model/limits.ts';
import { backboneParameters } from '../model/parameters.ts';
import { squareSide } from '../model/sides.ts';
import { heads, type NetworkConfig, type ViTConfig } from '../model/types.ts';
import { resolveViT } from '../model/vit.ts';
import type { Weights } from './linear.ts';
import { type Exportable, onnxNetwork } from './network.ts';
import { isFolder, type Opening } from './present.ts';
import { checkServing, type Serving, type Space, servingKey, type Transform } from './serving.ts';
import type { Storage } from './storage.ts';

/** A network with its weights, ready to be written as ONNX. */
export interface OnnxSource {
  readonly name: string;
  readonly network: Exportable;
  readonly weights: Weights;
  readonly serving: Serving;
}

/** A backbone without a head, which needs no run. */
export interface BackboneSource {
  readonly name: string;
  /** `imgSize` is the side of the images that the network reads. */
  readonly model: ViTConfig;
  /** The parameters by timm's names. */
  readonly weights: ReadonlyMap<
    string,
    { readonly data: ArrayLike<number>; readonly shape: readonly number[] }
  >;
  /** Length to which the shorter side is resized before the center crop; default `imgSize`. */
  readonly resize?: number | undefined;
  /** Default `white`. */
  readonly background?: Transform['background'] | undefined;
}

/** Returns the bytes of the ONNX file of a source. */
export function onnxOf({ network, weights, serving }: OnnxSource, storage: Storage): Uint8Array {
  const described = 'head' in network ? { horoball: JSON.stringify(network) } : {};
  return onnxNetwork(network, weights, { ...described, [servingKey]: JSON.stringify(serving) }, storage);
}

/**
 * Opens a network for export: a run folder, a checkpoint or the `model.safetensors` in a run folder, a file written by
 * `saveWeights`, or a backbone. A file outside of a run has no evaluation transform, so its images are resized to the size
 * of the network's input.
 *
 * @param opening - the operation and its argument, for errors
 * @throws Error `ERR_HOROBALL_RUN` for a path that does not exist or a folder that is not a finished run,
 * `ERR_HOROBALL_WEIGHTS` if the weights do not describe their network, `ERR_HOROBALL_FORMAT` if a file is damaged. The
 * function `weights` of the result throws `ERR_HOROBALL_WEIGHTS` for a parameter that is missing or has another shape
 */
export async function openSource(
  source: string | BackboneSource,
  opening: Opening = exporting,
): Promise<OnnxSource> {
  if (typeof source !== 'string') return backboneSource(checkObject('exportOnnx', source, 'source'));
  filePath('exportOnnx', 'source', source);
  return (await isFolder(source, opening)) || (await isInRun(source))
    ? await runSource(await runPathOf(source), opening)
    : await weightsSource(source, basename(source), {}, 'both', opening);
}

const exporting: Opening = {
  operation: 'export',
  argument: 'run',
  expected: 'a run folder or a checkpoint in it',
};

function backboneSource({ name, model, weights, resize, background = 'white' }: BackboneSource): OnnxSource {
  const operation = 'exportOnnx';
  checkText(operation, 'name', name);
  checkMethods(operation, 'weights', weights, ['get']);
  const resolved = resolveViT(model);
  const { imgSize, embedDim: dim, mean, std } = resolved;
  const size = squareSide('export', imgSize);
  const shapes = shapesOf({ model: resolved });
  const transform = { size, resize: resize ?? size, background, maxPixels: defaultMaxPixels, mean, std };
  return {
    name,
    network: { model: resolved },
    weights: (parameter) => {
      const found = weights.get(parameter);
      if (found === undefined) throw lacks(name, parameter);
      checkShape(name, parameter, found.shape, shapes);
      return found;
    },
    serving: { version: 1, ...transform, dim, c: null, space: 'unit' },
  };
}

/**
 * The options in a run's config.json from which its {@link Serving} is made. The defaults are for runs of earlier versions,
 * which did not write the last two options and ignored alpha.
 */
const runSchema = z.looseObject({
  resize: z.int().min(1),
  geometry: z.enum(geometries),
  background: z.enum(backgrounds).default('drop'),
  max_pixels: z.int().min(1).default(defaultMaxPixels),
});

async function runSource(path: RunPath, opening: Opening): Promise<OnnxSource> {
  const { folder, weights } = path;
  const at = `[${opening.operation}] ${opening.argument}`;
  const file = join(folder, 'config.json');
  const text = await readInside(file);
  if (text === null) {
    const message = `${at}: expected ${opening.expected}, got ${folder}, which has no config.json. Pass a folder that horoball train wrote.`;
    throw coded('ERR_HOROBALL_RUN', message);
  }
  const options = checkedBy(runSchema, parsedJson(text, file, maxOptionValues), file);
  const { resize, geometry, background, max_pixels: maxPixels } = options;
  await checkInside(weights);
  if (!(await exists(weights))) {
    const message = `${at}: expected a run with final weights, got ${withoutWeightsText(folder)}`;
    throw coded('ERR_HOROBALL_RUN', message);
  }
  await checkSameRun(path);
  const { operation } = opening;
  for (const text of [await changeText(folder, weights, options), await olderText(path)])
    if (text !== null) process.emitWarning(`[${operation}] ${text}`, 'HoroballWarning');
  const transform = { resize, background, maxPixels };
  return await weightsSource(weights, basename(resolve(folder)), transform, spaceOf(geometry), opening);
}

/**
 * Describes an option, of those on which the embeddings depend, whose value in config.json differs from the one saved in the
 * weights or, if they store no options, in the last checkpoint. Null if all agree, or if neither file has readable options.
 * Unlike these files, config.json has no checksum that would detect an edit.
 */
async function changeText(
  folder: string,
  weights: string,
  options: z.infer<typeof runSchema>,
): Promise<string | null> {
  const saved = (await savedOptions(weights)) ?? (await savedOptions(join(folder, lastName)));
  const names = Object.keys(runSchema.shape) as (keyof typeof runSchema.shape)[];
  const name = saved === null ? undefined : names.find((each) => saved[each] !== options[each]);
  if (saved === null || name === undefined) return null;
  const file = join(folder, 'config.json');
  return `${name} is ${options[name]} in ${file}, but was ${saved[name]} during training; the value in the file is used`;
}

/** Returns the options of the run that wrote a file of weights; null if the file does not have them. */
async function savedOptions(file: string): Promise<z.infer<typeof runSchema> | null> {
  try {
    await checkInside(file);
    const { metadata } = await readSafetensors(file, { names: [] });
    const contents = parsedJson(metadata[checkpointKey] ?? 'null', file) as { config: unknown } | null;
    const options = contents?.config ?? parsedJson(metadata[optionsKey] ?? 'null', file, maxOptionValues);
    return options === null ? null : checkedBy(runSchema, options, file);
  } catch {
    return null; // without the file, only the comparison is skipped
  }
}

/** Returns the space in which the logits of a geometry compare embeddings. */
function spaceOf(geometry: Geometry): Space {
  const { inner, distance } = geometryCard(geometry);
  if (!inner) return 'ball';
  return distance === null ? 'unit' : 'both';
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function weightsSource(
  file: string,
  name: string,
  given: Partial<Transform>,
  space: Space,
  { operation }: Opening,
): Promise<OnnxSource> {
  // Opened only once, because a training run may replace the file: weights and curvature must be from the same step.
  await using opened = await SafetensorsFile.open(file);
  const text = opened.metadata[networkKey];
  if (text === undefined) {
    const message = `[${operation}] weights: expected a file that describes its network, got ${file}. Export a run, or a checkpoint in its folder.`;
    throw coded('ERR_HOROBALL_WEIGHTS', message);
  }
  const network = networkOf(text, file);
  const { imgSize, mean, std } = network.model;
  const size = squareSide('export', imgSize);
  const shapes = shapesOf(network);
  const tensors = new Map<string, SafeTensor>();
  // Only these: a checkpoint also has the optimizer's state.
  for (const name of shapes.keys()) {
    if (!opened.entries.has(name)) continue;
    const tensor = await opened.read(name);
    const problem = isReals(tensor.data) ? notFinite(tensor.data) : `the element type ${tensor.dtype}`;
    if (problem !== null) throw damaged(file, `${name} has ${problem}`);
    tensors.set(name, tensor);
  }
  const transform = {
    size,
    resize: size,
    background: 'white',
    maxPixels: defaultMaxPixels,
    mean,
    std,
  } as const;
  return {
    name,
    network,
    weights: (parameter) => {
      const found = tensors.get(parameter);
      if (found === undefined) throw lacks(file, parameter);
      checkShape(file, parameter, found.shape, shapes);
      return { data: found.data as Reals, shape: found.shape };
    },
    serving: checkServing(
      { version: 1, ...transform, ...given, dim: network.dim, c: network.c, space },
      file,
    ),
  };
}

/** Describes the first value that is not finite in float32; null if all are finite. */
function notFinite(data: Reals): string | null {
  const at = data.findIndex((value) => !Number.isFinite(Math.fround(value)));
  return at < 0 ? null : `the value ${data[at]}`;
}

/** Returns the expected shapes of the parameters. A check is necessary, because ONNX would broadcast other shapes. */
function shapesOf(network: Exportable): ReadonlyMap<string, readonly number[]> {
  const { model } = network;
  const shapes = new Map(backboneParameters(model).map(({ name, shape }) => [name, shape]));
  if ('head' in network) {
    shapes.set('head.weight', [network.dim, model.embedDim]);
    shapes.set('head.bias', [network.dim]);
  }
  return shapes;
}

function checkShape(
  file: string,
  parameter: string,
  got: readonly number[],
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  const wanted = shapes.get(parameter);
  if (wanted === undefined || isDeepStrictEqual([...got], [...wanted])) return;
  const message = `[export] weights: expected ${parameter} of shape ${shapeText(wanted)}, got ${shapeText(got)} in ${file}. Save the weights again.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

function lacks(file: string, parameter: string): Coded {
  const message = `[export] weights: expected the parameter ${parameter}, got ${file} without it. Save the weights again.`;
  return coded('ERR_HOROBALL_WEIGHTS', message);
}

/** The part of a weight file's description that the outputs depend on; the backbone is checked by `resolveViT`. */
const networkSchema = z.looseObject({
  model: z.looseObject({}),
  head: z.enum(heads),
  dim: z.int().min(1),
  clipR: z.number().min(leastFloat).nullable(),
  c: z
    .number()
    .min(leastC)
    .max(1 / leastC),
  compat: z.literal('hypmix').nullish(),
});

function networkOf(text: string, file: string): NetworkConfig {
  const { head, dim, clipR, c, compat, model } = checkedBy(
    networkSchema,
    parsedJson(text, file, maxOptionValues),
    file,
  );
  try {
    return { model: resolveViT(model as object as ViTConfig), head, dim, clipR, c, compat: compat ?? null };
  } catch (error) {
    throw damaged(file, (error as Error).message);
  }
}
