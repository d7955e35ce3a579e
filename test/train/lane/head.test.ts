// Compares the network's head, which calls the core's row-wise operations, with the oracle: values and gradients.
import test from 'ava';

import type { Embedder } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import * as oracle from '../../oracle.ts';
import { networkError } from '../../tolerances.ts';
import { embed, random, relativeError, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

const rows = 5;
const dim = 6;
const next = random(11);
const cotangent = Float32Array.from({ length: rows * dim }, () => 2 * next() - 1);

interface Linear {
  weight: number[][];
  bias: number[];
}

async function linearOf(model: Embedder): Promise<Linear> {
  const state = await model.state();
  return {
    weight: oracle.table(state.get('head.weight')!.data, tinyViT.embedDim),
    bias: [...state.get('head.bias')!.data],
  };
}

/** The ball points of the features `body`, in float64. */
function points(
  body: number[][],
  { weight, bias }: Linear,
  unit: boolean,
  options: oracle.HeadCase,
): number[][] {
  const z = body.map((f) => weight.map((w, i) => oracle.dot(w, f) + bias[i]!));
  const u = unit ? z.map((row) => row.map((x) => x / oracle.norm(row))) : z;
  return oracle.head(u, options);
}

/** The scalar whose gradients are compared: the sum of cotangent * h. */
const total = (h: number[][]): number => oracle.dot(h.flat(), [...cotangent]);

function slope(f: (x: number) => number, x: number): number {
  const step = 1e-5 * Math.max(1, Math.abs(x));
  return (f(x + step) - f(x - step)) / (2 * step);
}

for (const [what, head, c, clipR, scale] of [
  ['inside', 'hyp-vit', 0.1, 2.3, 1],
  ['without a clip', 'hyp-vit', 1, null, 0.3],
  ['clipped', 'hyp-vit', 0.1, 2.3, 40],
  ['projected', 'hyp-vit', 3, null, 40],
  ['clipped and projected', 'hyp-vit', 5, 2.3, 40],
  ['near the origin', 'hyp-vit', 1, 2.3, 1e-3],
  ['unit rows', 'hypmix', 0.5, 2.3, 1],
  ['unit rows, clipped', 'hypmix', 1, 0.5, 1],
  ['unit rows, projected', 'hypmix', 20, null, 1],
] as const) {
  for (const compat of [null, 'hypmix'] as const) {
    test(`${what}${compat === null ? '' : ', published guards'}: values, gradients and the derivative in c equal the formula`, async (t) => {
      using model = await tinyEmbedder({ head, c, clipR, compat });
      const initial = (await model.state()).get('head.weight')!;
      const bias = Float32Array.from({ length: dim }, () => scale * (0.2 * next() - 0.1));
      const weight = { shape: initial.shape, data: initial.data.map((x) => scale * x) };
      await model.loadState(
        new Map([
          ['head.weight', weight],
          ['head.bias', { shape: [dim], data: bias }],
        ]),
      );
      model.setCurvature(c, { learnable: true });
      const out = embed(model, rows);
      const body = oracle.table(await out.body.data(), tinyViT.embedDim);
      const linear = await linearOf(model);
      const value = { c, clip: clipR, hypmix: compat !== null };
      const at = (changes: Partial<oracle.HeadCase>, moved = linear) =>
        points(body, moved, head === 'hypmix', { ...value, ...changes });

      const error = relativeError(await out.hyperbolic.data(), at({}).flat());
      t.true(error < networkError.head, `values: ${error}`);

      out.hyperbolic.backward(cotangent);
      const got = (await model.gradients()).get('head.bias')!.data;
      const expected = linear.bias.map((b, i) =>
        slope((x) => total(at({}, { ...linear, bias: linear.bias.with(i, x) })), b),
      );
      const gradientError = relativeError(got, expected);
      t.true(gradientError < networkError.layerGradients, `gradients: ${gradientError}`);

      const inC = slope((x) => total(at({ c: x })), c);
      const gotC = await model.curvatureGradient();
      t.true(
        Math.abs(gotC - inC) < networkError.headCurvature * Math.max(1, Math.abs(inC)),
        `in c: ${gotC}, expected ${inC}`,
      );
    });
  }
}

test('a zero feature maps to the origin, and its gradient is finite', async (t) => {
  using model = await tinyEmbedder({ head: 'hyp-vit' });
  const { shape, data } = (await model.state()).get('head.weight')!;
  await model.loadState(new Map([['head.weight', { shape, data: data.map(() => 0) }]]));
  const out = embed(model, rows);
  t.true((await out.hyperbolic.data()).every((x) => x === 0));
  out.hyperbolic.backward(cotangent);
  // At 0, expmap0 is the identity to first order, so the gradient of the bias is the sum of the cotangents.
  const expected = Array.from({ length: dim }, (_, i) =>
    oracle.table(cotangent, dim).reduce((sum, row) => sum + row[i]!, 0),
  );
  t.true(relativeError((await model.gradients()).get('head.bias')!.data, expected) < networkError.order);
});
