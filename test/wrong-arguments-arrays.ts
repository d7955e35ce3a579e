// Valid arguments for exports that work on arrays: those of `horoball` to which the default arguments of wrong-arguments.ts
// do not apply, and the layers and ArrayAdamW of `horoball/train`.
import { join } from 'node:path';
import * as core from '../lib/index.ts';
import * as lib from '../lib/train/index.ts';

/** Creates a value: the arguments of a call, or an object. */
export type Make = () => unknown;

export const points = (): core.Matrix => core.matrix(new Float64Array(18).fill(0.1), 6, 3);

/**
 * Returns functions that create the arguments, by the name of the call.
 *
 * @param folder - for files that calls write
 */
export function arrayExamples(folder: string): Record<string, Make> {
  const c = 1;
  const layerRows = () => core.matrix(new Float32Array(18).fill(0.1), 6, 3);
  const layers = {
    ConcatPoincareLayer: [{ c: 1, inputs: [3, 3], outputs: 2, seed: 1 }, 2],
    FromPoincare: [{ c: 1, learnC: true, dim: 3 }, 1],
    HyperbolicDistanceLayer: [{ c: 1, type: 'float32', compat: 'hypmix' }, 2],
    HyperbolicMLR: [{ c: 1, dim: 3, classes: 2, points: 'ball', seed: 1 }, 1],
    HypLinear: [{ c: 1, inputs: 3, outputs: 2, bias: true, seed: 1 }, 1],
    ToPoincare: [{ c: 1, learnC: true, dim: 3, riemannian: true, clipR: 2.3 }, 1],
  } as const;
  const layer = () => new lib.HypLinear(layers.HypLinear[0]);
  const pass = async () => layer().forward(layerRows());
  const layerExamples = Object.entries(layers).flatMap(([name, [options, inputs]]): [string, Make][] => [
    [name, () => [options]],
    [`${name}#`, () => new (lib as unknown as Record<string, new (of: object) => object>)[name]!(options)],
    [`${name}#parameters`, () => []],
    [`${name}#forward`, () => [...Array.from({ length: inputs }, layerRows), { threads: 1 }]],
  ]);
  const arrayAdamW = () => new lib.ArrayAdamW(layer().parameters(), { lr: 0.1 });
  const sgd = () => new core.RiemannianSGD(points(), { c: 1, lr: 0.1 });
  const adam = () => new core.RiemannianAdam(points(), { c: 1, lr: 0.1 });
  const gallery = () => new core.Gallery<Float64Array>({ c: 1 });
  return {
    Gallery: () => [{ c }],
    'Gallery.load': () => [join(folder, 'gallery')],
    'Gallery#': gallery,
    'Gallery#add': () => [points(), new Int32Array(6)],
    'Gallery#remove': () => [[0]],
    'Gallery#buildIndex': () => [{ lists: 2, seed: 1, onProgress: () => {} }],
    'Gallery#topK': () => [points(), { k: 1 }],
    'Gallery#topK.sync': () => [points(), { k: 1 }],
    'Gallery#topKSync': () => [points(), { k: 1 }],
    'Gallery#save': () => [join(folder, 'gallery')],
    'Gallery#close': () => [],
    ...Object.fromEntries(layerExamples),
    ...Object.fromEntries(
      ['', '.sync'].flatMap((variant): [string, Make][] => {
        const weights = () => ({ c: 1, weights: new Float64Array(6).fill(1) });
        return [
          [`frechetMean${variant}`, () => [points(), weights()]],
          [`frechetMean.vjp${variant}`, () => [points(), new Float64Array(3), weights()]],
          [
            `clusteringMetrics${variant}`,
            () => [points(), [0, 0, 0, 1, 1, 1], { c: 1, clusters: 2, iterations: 2, restarts: 1, seed: 1 }],
          ],
        ];
      }),
    ),
    ArrayAdamW: () => [layer().parameters(), { lr: 0.1, weightDecay: 0.01, betas: [0.9, 0.99], eps: 1e-8 }],
    'ArrayAdamW#': arrayAdamW,
    'ArrayAdamW#step': async () => [
      (await (await pass()).backward(core.matrix(new Float32Array(12), 6, 2))).parameters,
      { lr: 0.1 },
    ],
    'ArrayAdamW#state': () => [],
    'ArrayAdamW#loadState': () => [arrayAdamW().state()],
    RiemannianAdam: () => [points(), { c, lr: 0.1, betas: [0.9, 0.99], eps: 1e-8 }],
    'RiemannianAdam#': adam,
    'RiemannianAdam#step': () => [points(), { lr: 0.1 }],
    'RiemannianAdam#state': () => [],
    'RiemannianAdam#loadState': () => [adam().state()],
    RiemannianSGD: () => [points(), { c, lr: 0.1, momentum: 0.9 }],
    'RiemannianSGD#': sgd,
    'RiemannianSGD#step': () => [points(), { lr: 0.1 }],
    'RiemannianSGD#state': () => [],
    'RiemannianSGD#loadState': () => [sgd().state()],
    autoCurvature: () => [0.1],
    coreInfo: () => [],
    embedTree: () => [
      [['a', 'b']],
      { dim: 2, c, epochs: 1, burnIn: 0, negatives: 1, lr: 0.1, seed: 1, threads: 1 },
    ],
    geometryCard: () => ['hybrid'],
    geometryCards: () => [],
    metricCard: () => ['poincare'],
    metricCards: () => [],
    isHoroballError: () => [new Error('any')],
    matrix: () => [new Float32Array(6), 2, 3],
    ready: () => [],
    normalize: () => [points(), {}],
    'normalize.sync': () => [points(), {}],
    rerank: () => [points(), points(), new Int32Array(6), { k: 1, c }],
    'rerank.sync': () => [points(), points(), new Int32Array(6), { k: 1, c }],
  };
}
