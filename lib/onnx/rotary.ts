/** Rotary position embeddings as constants of an ONNX graph, as in native/torch/rotary.cc but computed in float64. */
import { sides } from '../model/sides.ts';
import { gridOf, type WholeViT } from '../model/vit.ts';
import type { OnnxGraph, Value } from './graph.ts';
import type { Weights } from './linear.ts';

/** Sines and cosines of a block's rotation angles, patches x channels or heads x patches x channels. */
export interface Rotation {
  sin: Value;
  cos: Value;
}

/** Returns the rotation of each block. */
export function rotationsOf(graph: OnnxGraph, model: WholeViT, weights: Weights): readonly Rotation[] {
  const { depth, numHeads, embedDim, ropeType } = model;
  const width = embedDim / numHeads;
  const constant = (angles: readonly number[], heads: number): Rotation => {
    const pairs = width / 2;
    const tiled = ropeType === 'dinov3';
    const rows = angles.length / pairs;
    const shape = heads === 1 ? [rows, width] : [heads, rows / heads, width];
    const all = Array.from({ length: rows * width }, (_, i) => {
      const channel = i % width;
      return angles[Math.floor(i / width) * pairs + (tiled ? channel % pairs : channel >> 1)]!;
    });
    return { sin: graph.floats(all.map(Math.sin), shape), cos: graph.floats(all.map(Math.cos), shape) };
  };
  if (ropeType === 'mixed') {
    const { data } = weights('rope.freqs');
    return Array.from({ length: depth }, (_, block) =>
      constant(mixedAngles(model, data, block, width / 2), numHeads),
    );
  }
  const same = constant(fixedAngles(model, width / 4), 1);
  return Array.from({ length: depth }, () => same);
}

/** Returns the row and column of each patch, row by row. */
function patchesOf(model: WholeViT): (readonly [row: number, column: number])[] {
  const [rows, columns] = gridOf(model);
  return Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns] as const);
}

/** Returns the angles of `cat` or `dinov3`: for each patch, first those along one axis, then those along the other. */
function fixedAngles(model: WholeViT, bands: number): number[] {
  const { ropeType, ropeTemperature, ropeGridOffset, ropeGridIndexing, refFeatShape } = model;
  const grid = gridOf(model);
  const reference = refFeatShape === null ? grid : sides(refFeatShape);
  const position = (index: number, side: 0 | 1): number =>
    ropeType === 'dinov3'
      ? 2 * Math.PI * ((2 * (index + 0.5)) / grid[side] - 1)
      : ((index + ropeGridOffset) / grid[side]) * reference[side];
  return patchesOf(model).flatMap(([row, column]) => {
    const [y, x] = [position(row, 0), position(column, 1)];
    const first = ropeType === 'cat' && ropeGridIndexing === 'xy' ? [x, y] : [y, x];
    return first.flatMap((at) =>
      Array.from({ length: bands }, (_, i) => at * ropeTemperature ** (-i / bands)),
    );
  });
}

/** Returns the angles of `mixed` (heads x patches x pairs of channels), along the learned directions of a block. */
function mixedAngles(model: WholeViT, freqs: ArrayLike<number>, block: number, pairs: number): number[] {
  const { depth, numHeads, ropeGridIndexing } = model;
  const frequency = (axis: number, head: number, i: number): number =>
    freqs[((axis * depth + block) * numHeads + head) * pairs + i]!;
  const patches = patchesOf(model);
  return Array.from({ length: numHeads }, (_, head) =>
    patches.flatMap(([row, column]) => {
      const [x, y] = ropeGridIndexing === 'xy' ? [column, row] : [row, column];
      return Array.from({ length: pairs }, (_, i) => x * frequency(0, head, i) + y * frequency(1, head, i));
    }),
  ).flat();
}

/** Rotates queries or keys (N x heads x tokens x width), except for the first `prefix` tokens. */
export function rotate(
  graph: OnnxGraph,
  x: Value,
  { sin, cos }: Rotation,
  { prefix, half, width }: { prefix: number; half: boolean; width: number },
): Value {
  const cut = (from: Value, axis: number, start: number, end: number, step = 1): Value =>
    graph.node('Slice', [from, ...[[start], [end], [axis], [step]].map((each) => graph.integers(each))]);
  const all = Number.MAX_SAFE_INTEGER;
  const patches = prefix === 0 ? x : cut(x, 2, prefix, all);
  const across = half
    ? graph.node(
        'Concat',
        [graph.node('Neg', [cut(patches, 3, width / 2, all)]), cut(patches, 3, 0, width / 2)],
        { axis: 3 },
      )
    : interleaved(graph, graph.node('Neg', [cut(patches, 3, 1, all, 2)]), cut(patches, 3, 0, all, 2), width);
  const result = graph.node('Add', [graph.node('Mul', [patches, cos]), graph.node('Mul', [across, sin])]);
  return prefix === 0 ? result : graph.node('Concat', [cut(x, 2, 0, prefix), result], { axis: 2 });
}

/** Interleaves two values: the even channels come from the first, the odd ones from the second. */
function interleaved(graph: OnnxGraph, even: Value, odd: Value, width: number): Value {
  const last = graph.integers([-1]);
  const both = [even, odd].map((each) => graph.node('Unsqueeze', [each, last]));
  const pairs = graph.node('Concat', both, { axis: 4 });
  return graph.node('Reshape', [pairs, graph.integers([0, 0, 0, width])]);
}
