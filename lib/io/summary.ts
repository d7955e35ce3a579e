import { typeError } from '../errors.ts';
import { imageSize } from './image-size.ts';
import { bytesField, doubleField, doublesField, floatField, messageField, varintField } from './protobuf.ts';

/** Type of a hyperparameter. */
export type HyperParameter = string | number | boolean;

// Functions that encode the `Summary.Value` messages of TensorBoard's event files. The field numbers are those of
// tensorboard/compat/proto/summary.proto and, for hyperparameters, plugins/hparams/plugin_data.proto.

export function scalarValue(tag: string, value: number): Uint8Array {
  return Buffer.concat([bytesField(1, tag), floatField(2, value)]);
}

/** Encodes an image, given the contents of a PNG or JPEG file. */
export function imageValue(tag: string, bytes: Uint8Array): Uint8Array {
  const { width, height, channels } = imageSize('EventWriter.image', bytes);
  const image = [
    varintField(1, height),
    varintField(2, width),
    varintField(3, channels),
    bytesField(4, bytes),
  ];
  return Buffer.concat([bytesField(1, tag), messageField(4, ...image)]);
}

/** Encodes a histogram with equal buckets from the smallest to the largest finite value; `null` if none is finite. */
export function histogramValue(tag: string, values: ArrayLike<number>, buckets: number): Uint8Array | null {
  const { count, min, max, sum, squares } = moments(values);
  if (count === 0) return null;
  const counts = new Float64Array(buckets);
  const range = max - min;
  const width = range < Infinity ? range / buckets : max / buckets - min / buckets;
  const bucketOf = (value: number): number => {
    const place = range < Infinity ? (value - min) / width : value / width - min / width;
    return width > 0 ? Math.min(buckets - 1, Math.floor(place)) : 0;
  };
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    counts[bucketOf(value)]! += 1;
  }
  // If the range overflows, half of each limit is computed and then doubled: `(i + 1) * width` may overflow, too.
  const limits = Float64Array.from(counts, (_, i) =>
    i === buckets - 1
      ? max
      : range < Infinity
        ? min + (i + 1) * width
        : 2 * (min / 2 + (i + 1) * (width / 2)),
  );
  const numbers = [min, max, count, sum, squares].map((number, i) => doubleField(i + 1, number));
  const histogram = [...numbers, doublesField(6, limits), doublesField(7, counts)];
  return Buffer.concat([bytesField(1, tag), messageField(5, ...histogram)]);
}

/** Encodes text in Markdown. */
export function textValue(tag: string, text: string): Uint8Array {
  const [dtString, one] = [varintField(1, 7), messageField(2, messageField(2, varintField(1, 1)))];
  const tensor = messageField(8, dtString, one, bytesField(8, text));
  return Buffer.concat([bytesField(1, tag), pluginMetadata('text', new Uint8Array(0)), tensor]);
}

/**
 * Encodes the start of a session, which is a run on the hparams page, with its hyperparameters.
 * @param group - sessions of one group are repetitions of one configuration
 * @param start - seconds since 1970
 */
export function sessionStartValue(
  values: Readonly<Record<string, HyperParameter>>,
  group: string,
  start: number,
): Uint8Array {
  const parameters = Object.entries(values).map(([name, value]) =>
    messageField(1, bytesField(1, name), messageField(2, hyperParameter(name, value))),
  );
  const info = messageField(3, ...parameters, bytesField(4, group), doubleField(5, start));
  return hparamsValue('_hparams_/session_start_info', info);
}

/** Encodes the end of a session, at `end` seconds since 1970. */
export function sessionEndValue(status: 'success' | 'failure', end: number): Uint8Array {
  const info = messageField(4, varintField(1, status === 'success' ? 1 : 2), doubleField(2, end));
  return hparamsValue('_hparams_/session_end_info', info);
}

/** Encodes a hyperparameter as a google.protobuf.Value. */
function hyperParameter(name: string, value: HyperParameter): Uint8Array {
  if (typeof value === 'number') return doubleField(2, value);
  if (typeof value === 'string') return bytesField(3, value);
  if (typeof value === 'boolean') return varintField(4, value ? 1 : 0);
  throw typeError('EventWriter.hparams', name, 'a string, number or boolean', value);
}

/**
 * Encodes content for the hparams plugin, which reads only the metadata; the empty float tensor is a required
 * placeholder.
 */
function hparamsValue(tag: string, content: Uint8Array): Uint8Array {
  const empty = messageField(8, varintField(1, 1), messageField(2, messageField(2, varintField(1, 0))));
  return Buffer.concat([bytesField(1, tag), pluginMetadata('hparams', content), empty]);
}

/** Encodes SummaryMetadata with data class TENSOR. */
function pluginMetadata(plugin: string, content: Uint8Array): Uint8Array {
  return messageField(9, messageField(1, bytesField(1, plugin), bytesField(2, content)), varintField(4, 2));
}

function moments(values: ArrayLike<number>): Record<'count' | 'min' | 'max' | 'sum' | 'squares', number> {
  const result = { count: 0, min: Infinity, max: -Infinity, sum: 0, squares: 0 };
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    result.count += 1;
    result.min = Math.min(result.min, value);
    result.max = Math.max(result.max, value);
    result.sum += value;
    result.squares += value * value;
  }
  return result;
}
