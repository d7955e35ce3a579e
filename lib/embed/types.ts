import type { Background } from '../image/resample.ts';
import type { DenseMatrix } from '../matrix.ts';
import type { Space } from '../onnx/serving.ts';
import type { Storage } from '../onnx/storage.ts';

/** Decoded pixels, row by row, channels interleaved. */
export interface RawImage {
  /** `width * height * channels` values from 0 to 255. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha; default 4, as in ImageData. */
  readonly channels?: 1 | 2 | 3 | 4 | undefined;
}

/** The methods of a sharp pipeline that `embed` calls. Its output is converted to sRGB and embedded. */
export interface SharpPipeline {
  clone(): SharpPipeline;
  toColourspace(space: string): SharpPipeline;
  raw(options: { depth: 'uchar' }): SharpPipeline;
  toBuffer(options: {
    resolveWithObject: true;
  }): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }>;
}

/** A file's path or URL, the bytes of an encoded image, a sharp pipeline, or decoded pixels. */
export type ImageInput = string | URL | Uint8Array | SharpPipeline | RawImage;

export type { Space };

/** Embeddings in both spaces, one row per image. */
export interface ImageEmbeddings {
  /** Unit vectors: N x dim. */
  euclidean: DenseMatrix<Float32Array>;
  /** Points of the Poincaré ball of curvature -c: N x dim. */
  hyperbolic: DenseMatrix<Float32Array>;
}

/** The result of `ImageEmbedder.embed` with the option `space`: both embeddings, or one matrix. */
export type EmbeddedIn<S extends Space> = S extends 'both' ? ImageEmbeddings : DenseMatrix<Float32Array>;

/** The package that runs the network. */
export type Runtime = 'onnxruntime-node' | 'onnxruntime-web';

/** Options of `loadEmbedder`. */
export interface LoadEmbedderOptions {
  /** Default: `onnxruntime-node` if it is installed and can be loaded, otherwise `onnxruntime-web`. */
  runtime?: Runtime | undefined;
  /**
   * For an exported folder, the file to load; default the most accurate one. For a run, the type in which weights are
   * stored; default `fp32`.
   */
  storage?: Storage | undefined;
  /** Number of threads of the runtime; by default, the runtime chooses it. */
  threads?: number | undefined;
  /** Images per call of the network, 1 or more; default 32. Affects speed and memory only. */
  batchSize?: number | undefined;
  /** Images decoded in parallel, over all calls; default the number of CPUs. */
  concurrency?: number | undefined;
  /** Whether to embed one blank image, so that the first request is as fast as later ones; default true. */
  warmUp?: boolean | undefined;
  /** Background of transparent pixels; default: the run's. `drop` ignores alpha. */
  background?: Background | undefined;
  /** Maximum number of pixels of an image; larger ones are rejected before they are decoded. Default: the run's. */
  maxPixels?: number | undefined;
}

/** Options of `ImageEmbedder.embed`. */
export interface EmbedOptions<S extends Space = Space> {
  /** Which embeddings to return; default `both`. */
  space?: S | undefined;
  /**
   * Cancels the call: the promise rejects with the signal's reason, and images whose decoding has not started are
   * skipped.
   */
  signal?: AbortSignal | undefined;
  /** Called after each batch with the number of images embedded so far and the total number. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /**
   * Called for an image that cannot be read, whose row is then filled with NaN. By default such an image rejects the
   * promise.
   */
  onUnreadable?: ((index: number, error: Error) => void) | undefined;
  /** Default: the value given to `loadEmbedder`. */
  batchSize?: number | undefined;
  /** Images of this call decoded in parallel; default the limit of `loadEmbedder`, which all calls share. */
  concurrency?: number | undefined;
}
