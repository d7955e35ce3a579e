// Compares a backbone with the results of bench/peers/backbones.py for the same model: its feature and every
// gradient, with the weights read from a .safetensors and from a .pth file.
import { readFile } from 'node:fs/promises';
import { readSafetensors } from '../lib/io/index.ts';
import { Batch, createViT, loadWeights, type ViT } from '../lib/train/index.ts';

/** Largest relative errors |a - b| / |b| over the tensors. */
export interface Comparison {
  feature: number;
  gradient: number;
  /** The parameter whose gradient has the largest error. */
  worst: string;
  /** Total number of elements in all parameters. */
  parameters: number;
  model: ViT['config']['model'];
}

/** A feature, and gradients keyed by timm's parameter names. */
interface Result {
  feature: Float32Array;
  gradients: ReadonlyMap<string, Float32Array>;
}

/**
 * Compares the model at `<path>.json` with `<path>.reference.safetensors`.
 *
 * @param path - without the extension
 * @param kinds - extensions of the weight files to compare; the result has the largest errors over all of them
 */
export async function compareBackbone(path: string, kinds: readonly string[]): Promise<Comparison> {
  const { tensors } = await readSafetensors(`${path}.reference.safetensors`);
  const values = (name: string): Float32Array => tensors.get(name)!.data as Float32Array;
  const [count = 0, , height = 0, width = 0] = tensors.get('image')!.shape;
  using vit = await createViT(await readFile(`${path}.json`, 'utf8'));
  const expected: Result = {
    feature: values('feature'),
    gradients: new Map(
      [...tensors]
        .filter(([name]) => name.startsWith('grad.'))
        .map(([name, { data }]) => [name.slice('grad.'.length), data as Float32Array]),
    ),
  };
  const comparison: Comparison = {
    feature: 0,
    gradient: 0,
    worst: '',
    parameters: vit.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    model: vit.config.model,
  };
  for (const kind of kinds) {
    using fresh = await createViT(vit.config.model, { seed: 1 });
    const { missing, unexpected } = await loadWeights(`${path}.${kind}`, fresh);
    if (missing.length + unexpected.length > 0) throw new Error(`loaded in part: ${[missing, unexpected]}`);
    using batch = Batch.fromNormalized(values('image'), { count, size: [height, width] });
    using feature = fresh.forward(batch);
    feature.backward(values('cotangent'));
    const gradients = await fresh.gradients();
    const got: Result = {
      feature: await feature.data(),
      gradients: new Map([...gradients].map(([name, { data }]) => [name, data])),
    };
    include(comparison, got, expected);
  }
  return comparison;
}

function include(into: Comparison, got: Result, expected: Result): void {
  into.feature = Math.max(into.feature, distance(got.feature, expected.feature));
  if (expected.gradients.size === 0) return; // the peer names its parameters differently
  const names = [...got.gradients.keys()].sort();
  const wanted = [...expected.gradients.keys()].sort();
  if (names.join() !== wanted.join())
    throw new Error(`unexpected gradients: ${names.filter((name) => !wanted.includes(name))}`);
  const all = norm([...expected.gradients.values()].map(norm));
  for (const [name, data] of expected.gradients) {
    // A bias of the keys does not change the softmax, so its gradient is 0 except for rounding errors.
    const isZero = norm(data) < 1e-9 * all;
    const error = isZero ? norm(got.gradients.get(name)!) / all : distance(got.gradients.get(name)!, data);
    if (!(error <= into.gradient)) [into.gradient, into.worst] = [error, name];
  }
}

function norm(values: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < values.length; i++) square += values[i]! ** 2;
  return Math.sqrt(square);
}

/** |a - b| / |b|; infinite if the lengths differ. */
function distance(a: Float32Array, b: Float32Array): number {
  return a.length === b.length ? norm(a.map((value, i) => value - b[i]!)) / norm(b) : Infinity;
}
