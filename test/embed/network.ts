// Networks for the tests of horoball/embed, created without libtorch.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/io/index.ts';
import { backboneParameters } from '../../lib/model/parameters.ts';
import type { NetworkConfig, ViTConfig } from '../../lib/model/types.ts';
import { resolveViT } from '../../lib/model/vit.ts';
import type { BackboneSource } from '../../lib/onnx/source.ts';
import { random } from '../../lib/random.ts';

export const model: ViTConfig = {
  imgSize: 16,
  patchSize: 8,
  embedDim: 24,
  depth: 2,
  numHeads: 3,
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.3, 0.4],
};

const dim = 6;

function values(shape: readonly number[], seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from(
    { length: shape.reduce((product, size) => product * size, 1) },
    () => next() - 0.5,
  );
}

/** A backbone with random weights. */
export function backbone(): BackboneSource {
  const weights = new Map(
    backboneParameters(resolveViT(model)).map(({ name, shape }, i) => [
      name,
      { shape, data: values(shape, i) },
    ]),
  );
  return { name: 'tiny', model, weights };
}

/** Writes the files of a run folder that an export reads. */
export async function writeRun(
  folder: string,
  options: Record<string, unknown> = {},
): Promise<NetworkConfig> {
  await mkdir(folder, { recursive: true });
  const network: NetworkConfig = {
    model: resolveViT(model),
    head: 'hyp-vit',
    dim,
    clipR: 2.3,
    c: 0.5,
    compat: null,
  };
  const head = {
    'head.weight': { shape: [dim, model.embedDim], data: values([dim, model.embedDim], 100) },
    'head.bias': { shape: [dim], data: values([dim], 101) },
  };
  const tensors = { ...Object.fromEntries(backbone().weights), ...head } as Parameters<
    typeof writeSafetensors
  >[1];
  const metadata = { horoball: JSON.stringify(network) };
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { metadata });
  const config = { crop: 16, resize: 18, geometry: 'hyperbolic', background: 'black', ...options };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return network;
}
