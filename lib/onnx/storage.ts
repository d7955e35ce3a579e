/** Storage types for the matrices of an exported network. Computation is in float32 for all of them. */
export const storages = ['fp32', 'fp16', 'int8'] as const;
export type Storage = (typeof storages)[number];

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Returns IEEE 754 binary16 bits, rounded to nearest, ties to even; values of 65520 or more become infinity. */
export function halfBits(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) return sign | subnormal(Math.abs(value));
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** Returns a value below 2^-14 as a multiple of 2^-24, rounded to nearest, ties to even. */
function subnormal(value: number): number {
  const scaled = value * 2 ** 24; // exact
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Returns the values as binary16 bits. */
export function toHalf(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, halfBits);
}

/**
 * Quantizes values symmetrically to 8 bits, with one scale per output channel: value = scale * q, q from -127 to 127.
 *
 * @param channels - number of output channels
 * @param channelOf - the channel of an element
 */
export function quantize(
  values: ArrayLike<number>,
  channels: number,
  channelOf: (index: number) => number,
): { data: Int8Array; scales: Float32Array } {
  const scales = new Float32Array(channels);
  for (let i = 0; i < values.length; i++) {
    const channel = channelOf(i);
    scales[channel] = Math.max(scales[channel]!, Math.abs(values[i]!));
  }
  for (let i = 0; i < channels; i++) scales[i] = scales[i]! / 127 || 1; // 1 for a channel of zeros
  const data = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const q = Math.round(values[i]! / scales[channelOf(i)]!);
    data[i] = Math.max(-127, Math.min(127, q));
  }
  return { data, scales };
}

/** The file of each storage type in an exported folder. */
export const onnxFiles: Readonly<Record<Storage, string>> = {
  fp32: 'onnx/model.onnx',
  fp16: 'onnx/model_fp16.onnx',
  int8: 'onnx/model_quantized.onnx',
};

/** The `dtype` of transformers.js for each storage type. */
export const dtypes: Readonly<Record<Storage, string>> = { fp32: 'fp32', fp16: 'fp16', int8: 'q8' };
