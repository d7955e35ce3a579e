import { coded } from '../../errors.ts';
import { writeAll, writeAtomically } from '../../io/atomic.ts';
import { parsedJson } from '../../io/json.ts';
import { readSafetensors } from '../../io/safetensors.ts';
import type { EmbedderConfig } from '../model.ts';
import { onnxNetwork, type Weights } from './network.ts';

/** What was exported. */
export interface Exported {
  file: string;
  bytes: number;
  /** Side of the pictures in pixels. */
  size: number;
  /** Width of the embedding. */
  dim: number;
  /** The ball's curvature is -c. */
  c: number;
}

/**
 * Writes a trained network as ONNX (opset 17), so that any runtime can embed with it: see `onnxNetwork` for its input and
 * outputs. Needs no libtorch. The file appears whole or not at all; its metadata `horoball` says how it was made.
 *
 * @param weights - the model.safetensors of a run, or what `saveWeights` wrote
 * @throws Error `ERR_HOROBALL_WEIGHTS` when the file does not say of which network it is or lacks a parameter
 */
export async function exportOnnx(weights: string, file: string): Promise<Exported> {
  const { metadata, tensors } = await readSafetensors(weights);
  const text = metadata['horoball'];
  if (text === undefined) {
    throw coded(
      'ERR_HOROBALL_WEIGHTS',
      `${weights} does not say of which network it is: export what a run saved`,
    );
  }
  const config = parsedJson(text, weights) as EmbedderConfig;
  const find: Weights = (name) => {
    const found = tensors.get(name);
    if (found === undefined) throw coded('ERR_HOROBALL_WEIGHTS', `${weights} lacks ${name}`);
    return { data: found.data as Float32Array, shape: found.shape };
  };
  const bytes = onnxNetwork(config, find, { horoball: text });
  await writeAtomically(file, (out) => writeAll(out, bytes));
  return { file, bytes: bytes.length, size: config.model.imgSize, dim: config.dim, c: config.c };
}
