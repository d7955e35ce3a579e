import { isTyped } from '../check.ts';
import { type Coded, coded, describe, quoted, shapeError, typeError } from '../errors.ts';
import { decode } from '../image/decode.ts';
import { checkSize, isImageFault, unreadable } from '../image/fault.ts';
import { readImageFile } from '../image/file.ts';
import { abortable } from '../image/read-ahead.ts';
import { type Pixels, resample } from '../image/resample.ts';
import { evalPlacement } from '../image/transforms.ts';
import { reasonOf } from '../io/file-errors.ts';
import type { Serving } from '../onnx/serving.ts';
import type { ImageInput, RawImage, SharpPipeline } from './types.ts';
import { pathOfUrl } from './url.ts';

/** The layouts of pixels with 1, 2, 3 and 4 channels. */
const layouts = ['gray', 'grayAlpha', 'rgb', 'rgba'] as const;

/** Converts images to the input of a network, with the evaluation transform of its run. */
export class Preparation {
  readonly #serving: Serving;
  /** The normalized value of each byte, per channel. */
  readonly #tables: readonly Float32Array[];

  constructor(serving: Serving) {
    this.#serving = serving;
    const { mean, std } = serving;
    this.#tables = mean.map((m, i) => Float32Array.from({ length: 256 }, (_, v) => (v / 255 - m) / std[i]!));
  }

  /** Number of values of one image: 3 planes of size x size. */
  get length(): number {
    return 3 * this.#serving.size ** 2;
  }

  /**
   * Decodes, resizes, crops and normalizes an image into `out`, which has {@link length} elements.
   *
   * @param stop - when aborted, ends the wait for a pipeline, whose input may never end
   * @throws Error `ERR_HOROBALL_PICTURE` if it cannot be read, TypeError `ERR_HOROBALL_TYPE` if it is not an image
   */
  async into(image: ImageInput, index: number, out: Float32Array, stop: AbortSignal): Promise<void> {
    const { size, resize, background } = this.#serving;
    try {
      const pixels = await this.#pixels(image, index, stop);
      const bytes = new Uint8Array(3 * size * size);
      await resample(pixels, evalPlacement(pixels, resize, size), bytes, { background });
      this.#normalize(bytes, out);
    } catch (error) {
      throw isImageFault(error) ? namedFault(image, index, error) : error;
    }
  }

  async #pixels(image: ImageInput, index: number, stop: AbortSignal): Promise<Pixels> {
    const { maxPixels } = this.#serving;
    if (typeof image === 'string') return decode(await readImageFile(image, maxPixels), maxPixels);
    if (image instanceof URL) {
      const path = pathOfUrl('embed', `images[${index}]`, image);
      return decode(await readImageFile(path, maxPixels), maxPixels);
    }
    if (isTyped(image, Uint8Array)) {
      // Copied, because decoders read it on other threads while the caller may transfer or overwrite the array.
      return decode(Buffer.from(image), maxPixels);
    }
    if (isObject(image) && isPipeline(image)) return await fromPipeline(image, maxPixels, stop);
    const raw = isObject(image) ? rawOf(image) : undefined;
    if (raw !== undefined) return fromRaw(raw, index, maxPixels);
    const expected = 'a path, a URL, encoded bytes, a sharp pipeline or { data, width, height, channels }';
    throw typeError('embed', `images[${index}]`, expected, quoted(image));
  }

  /** Converts interleaved bytes to normalized planes. */
  #normalize(bytes: Uint8Array, out: Float32Array): void {
    const plane = bytes.length / 3;
    for (const [channel, table] of this.#tables.entries()) {
      const to = out.subarray(channel * plane, (channel + 1) * plane);
      for (let i = 0; i < plane; i++) to[i] = table[bytes[3 * i + channel]!]!;
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isPipeline(image: object): image is SharpPipeline {
  const { toBuffer, raw } = image as Partial<SharpPipeline>;
  return typeof toBuffer === 'function' && typeof raw === 'function';
}

async function fromPipeline(image: SharpPipeline, maxPixels: number, stop: AbortSignal): Promise<Pixels> {
  try {
    const raw = image.clone().toColourspace('srgb').raw({ depth: 'uchar' });
    const { data, info } = await abortable(Promise.resolve(raw.toBuffer({ resolveWithObject: true })), stop);
    const { width, height, channels } = info;
    checkSize(width, height, maxPixels);
    return { data, width, height, layout: layouts[channels - 1]! };
  } catch (cause) {
    if (isImageFault(cause) || stop.aborted) throw cause;
    const message = (cause instanceof Error ? cause.message : describe(cause)).split('\n', 1)[0]!;
    throw Object.assign(unreadable(message), { cause });
  }
}

/** Returns decoded pixels, with each property read once; undefined for another object. */
function rawOf(image: object): RawImage | undefined {
  const { data, width, height, channels } = image as RawImage;
  const isPixels = isTyped<Uint8Array | Uint8ClampedArray>(data, Uint8Array, Uint8ClampedArray);
  return isPixels ? { data, width, height, channels } : undefined;
}

function fromRaw({ data, width, height, channels = 4 }: RawImage, index: number, maxPixels: number): Pixels {
  const argument = `images[${index}]`;
  if (!(Number.isInteger(width) && Number.isInteger(height) && [1, 2, 3, 4].includes(channels))) {
    const got = `${describe(width)} x ${describe(height)} x ${describe(channels)}`;
    throw typeError('embed', argument, 'integer width and height, and 1 to 4 channels', got);
  }
  checkSize(width, height, maxPixels);
  const length = width * height * channels;
  if (data.length !== length) {
    throw shapeError(
      'embed',
      `${argument}.data`,
      `${width} x ${height} x ${channels} values`,
      String(data.length),
    );
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { data: bytes, width, height, layout: layouts[channels - 1]! };
}

/** Returns an image error that names the index of the image and, for a file, its path. */
function namedFault(image: ImageInput, index: number, cause: Error): Coded {
  const path = typeof image === 'string' || image instanceof URL ? ` (${String(image)})` : '';
  const message = `[embed] images[${index}]${path} could not be read: ${reasonOf(cause)}`;
  return Object.assign(coded('ERR_HOROBALL_PICTURE', message), { cause });
}
