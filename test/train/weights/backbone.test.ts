import { join } from 'node:path';
import test from 'ava';
import { writeSafetensors } from '../../../lib/io/index.ts';
import { backboneParameters } from '../../../lib/model/parameters.ts';
import { resolveViT } from '../../../lib/model/vit.ts';
import { createViT } from '../../../lib/train/index.ts';
import { saveWeights } from '../../../lib/train/run/trained-weights.ts';
import { readBackbone } from '../../../lib/train/weights/backbone.ts';
import { temporary } from '../data/support.ts';
import { tinyViT } from '../helpers.ts';

const model = resolveViT(tinyViT);

test('reads the weights of a backbone unchanged', async (t) => {
  const file = join(await temporary(t), 'vit.safetensors');
  using vit = await createViT(tinyViT, { seed: 3 });
  await saveWeights(file, vit);
  const { weights, notices } = await readBackbone(file, model);
  t.deepEqual(notices, []);
  const state = await vit.state();
  t.deepEqual(
    [...weights.keys()].toSorted(),
    backboneParameters(model)
      .map(({ name }) => name)
      .toSorted(),
  );
  for (const [name, { shape, data }] of weights) {
    t.deepEqual([...shape], [...state.get(name)!.shape], name);
    t.deepEqual(data, state.get(name)!.data, name);
  }
});

/** Writes a file of zeros for the backbone's parameters, in the shapes that `change` returns; null omits a parameter. */
async function fileWith(folder: string, change: (name: string) => readonly number[] | null): Promise<string> {
  const file = join(folder, 'vit.safetensors');
  const entries = backboneParameters(model).flatMap(({ name }) => {
    const shape = change(name);
    if (shape === null) return [];
    const length = shape.reduce((a, b) => a * b, 1);
    return [[name, { shape, data: new Float32Array(length) }] as const];
  });
  await writeSafetensors(file, new Map(entries));
  return file;
}

const shapeOf = (name: string): readonly number[] =>
  backboneParameters(model).find((each) => each.name === name)!.shape;

test('rejects a file that lacks a parameter, or reports it if it may be missing', async (t) => {
  const file = await fileWith(await temporary(t), (name) => (name === 'norm.bias' ? null : shapeOf(name)));
  await t.throwsAsync(readBackbone(file, model), { code: 'ERR_HOROBALL_WEIGHTS', message: /norm\.bias/ });
  const { weights, notices } = await readBackbone(file, model, { partial: true });
  t.false(weights.has('norm.bias'));
  t.regex(notices.join('\n'), /unchanged: norm\.bias/);
});

test('a parameter of another shape is rejected by name', async (t) => {
  const file = await fileWith(await temporary(t), (name) => (name === 'norm.weight' ? [7] : shapeOf(name)));
  const error = await t.throwsAsync<Error & { code?: string }>(readBackbone(file, model));
  t.regex(error?.message ?? '', /norm\.weight/);
  t.regex(error?.code ?? '', /^ERR_HOROBALL_/);
});
