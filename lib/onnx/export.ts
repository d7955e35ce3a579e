import { choice, filePath, readOptions } from '../check.ts';
import { writeOnnx } from './checksum.ts';
import { type BackboneSource, onnxOf, openSource } from './source.ts';
import { type Storage, storages } from './storage.ts';

/** Options of {@link exportOnnx}. */
export interface ExportOnnxOptions {
  /** How matrices are stored; default `fp32`. Runtimes compute in float32 in every case. */
  storage?: Storage | undefined;
}

/** The result of an export. */
export interface Exported {
  file: string;
  bytes: number;
  /** Side of the images in pixels. */
  size: number;
  /** Dimension of the embedding. */
  dim: number;
  /** The ball's curvature is -c; null for a backbone without a head. */
  c: number | null;
}

/**
 * Writes a network as one ONNX file (opset 17), for `loadEmbedder` and any other runtime. Input `pixel_values`: N x 3 x
 * size x size, red, green and blue from 0 to 1, minus the mean, divided by the standard deviation. Outputs:
 * `image_embeds` (unit vectors, N x dim), `hyperbolic` (points of the ball, N x dim; only with a head) and
 * `pooler_output` (the backbone's feature, N x width). The metadata entry `horoball.embed` contains the evaluation
 * transform. Does not need libtorch. The file is written atomically.
 *
 * @param source - a run folder, a checkpoint or the `model.safetensors` in a run folder, a file written by `saveWeights`, or
 * a backbone
 * @throws Error `ERR_HOROBALL_RUN` for a path that does not exist or a folder that is not a finished run;
 * `ERR_HOROBALL_WEIGHTS` if the weights do not describe their network or lack a parameter; `ERR_HOROBALL_FORMAT` for
 * damaged files
 */
export async function exportOnnx(
  source: string | BackboneSource,
  file: string,
  options: ExportOnnxOptions = {},
): Promise<Exported> {
  const { storage = 'fp32' } = readOptions('exportOnnx', options, ['storage']);
  choice('exportOnnx', 'storage', storage, storages);
  filePath('exportOnnx', 'file', file);
  const opened = await openSource(source);
  const bytes = await writeOnnx(file, onnxOf(opened, storage));
  const { size, dim, c } = opened.serving;
  return { file, bytes, size, dim, c };
}
