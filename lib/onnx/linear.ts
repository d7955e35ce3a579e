import type { OnnxGraph, Value } from './graph.ts';

/** Returns a parameter by its name in timm, as float32 values with their shape. */
export type Weights = (name: string) => { data: ArrayLike<number>; shape: readonly number[] };

/**
 * Adds the nodes for `x W^T + b` and returns their output. MatMul does not transpose, so W^T is stored.
 *
 * @param bias - the values, or whether the layer has the parameter `<name>.bias`; true by default
 */
export function linear(
  graph: OnnxGraph,
  weights: Weights,
  x: Value,
  name: string,
  bias: boolean | ArrayLike<number> = true,
): Value {
  const { data, shape } = weights(`${name}.weight`);
  const [rows = 0, cols = 0] = shape;
  const transposed = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) transposed[j * rows + i] = data[i * cols + j]!;
  const product = graph.node('MatMul', [x, graph.weights(transposed, [cols, rows], 1)]);
  if (bias === false) return product;
  const values = bias === true ? weights(`${name}.bias`).data : bias;
  return graph.node('Add', [product, graph.floats(values, [rows])]);
}
