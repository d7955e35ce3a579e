import type { EmbedderConfig } from '../model.ts';
import { OnnxGraph, type Value } from './graph.ts';

/** A parameter by timm's name, as float32 values with their shape. */
export type Weights = (name: string) => { data: ArrayLike<number>; shape: readonly number[] };

// native/torch/head.cc has the same constants.
const tiny = 1e-12;
const guard = 1e-5;
const tanhLimit = 15;
const ballMargin = 1e-3;

/**
 * Backbone and head as an ONNX file. Input `pictures`: N x 3 x S x S, RGB from 0 to 1 (mean and deviation are part of the
 * graph). Outputs: `body` (N x width), `euclidean` (unit rows, N x dim) and `hyperbolic` (points of the ball, N x dim).
 */
export function onnxNetwork(
  config: EmbedderConfig,
  weights: Weights,
  metadata: Record<string, string>,
): Buffer {
  const graph = new OnnxGraph();
  const { imgSize, embedDim } = config.model;
  const pictures = graph.input('pictures', ['N', 3, imgSize, imgSize]);
  const body = new Backbone(graph, config, weights).forward(pictures);
  const { euclidean, hyperbolic } = head(graph, config, weights, body);
  graph.output('body', body, ['N', embedDim]);
  graph.output('euclidean', euclidean, ['N', config.dim]);
  graph.output('hyperbolic', hyperbolic, ['N', config.dim]);
  return graph.build('embedder', metadata);
}

/** native/torch/vit.cc, operator by operator. */
class Backbone {
  readonly #graph: OnnxGraph;
  readonly #config: EmbedderConfig['model'];
  readonly #weights: Weights;

  constructor(graph: OnnxGraph, { model }: EmbedderConfig, weights: Weights) {
    this.#graph = graph;
    this.#config = model;
    this.#weights = weights;
  }

  forward(pictures: Value): Value {
    const { depth, distilled } = this.#config;
    const graph = this.#graph;
    let x = this.#tokens(pictures);
    for (let i = 0; i < depth; i++) x = this.#block(x, `blocks.${i}`);
    if (!distilled)
      return this.#norm(graph.node('Gather', [x, graph.integers([0], [])], { axis: 1 }), 'norm');
    const both = graph.node('Gather', [x, graph.integers([0, 1])], { axis: 1 });
    return graph.node('ReduceMean', [this.#norm(both, 'norm')], { axes: [1], keepdims: 0 });
  }

  #tokens(pictures: Value): Value {
    const { mean, std, patchSize: p, embedDim, distilled } = this.#config;
    const graph = this.#graph;
    const centred = graph.node('Sub', [pictures, graph.floats(mean, [1, 3, 1, 1])]);
    const normal = graph.node('Div', [centred, graph.floats(std, [1, 3, 1, 1])]);
    const kernel = [this.#constant('patch_embed.proj.weight'), this.#constant('patch_embed.proj.bias')];
    const conv = graph.node('Conv', [normal, ...kernel], { kernel_shape: [p, p], strides: [p, p] });
    const flat = graph.node('Reshape', [conv, graph.integers([0, embedDim, -1])]);
    const patches = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
    const count = graph.node('Shape', [pictures], { start: 0, end: 1 });
    const each = graph.node('Concat', [count, graph.integers([1, 1])], { axis: 0 });
    const names = distilled ? ['cls_token', 'dist_token'] : ['cls_token'];
    const heads = names.map((name) => graph.node('Expand', [this.#constant(name), each]));
    const all = graph.node('Concat', [...heads, patches], { axis: 1 });
    return graph.node('Add', [all, this.#constant('pos_embed')]);
  }

  #block(x: Value, name: string): Value {
    const graph = this.#graph;
    const attention = this.#scaled(
      this.#attention(this.#norm(x, `${name}.norm1`), `${name}.attn`),
      `${name}.ls1`,
    );
    const attended = graph.node('Add', [x, attention]);
    const mlp = this.#scaled(this.#mlp(this.#norm(attended, `${name}.norm2`), `${name}.mlp`), `${name}.ls2`);
    return graph.node('Add', [attended, mlp]);
  }

  #attention(x: Value, name: string): Value {
    const { numHeads, embedDim, qkvBias } = this.#config;
    const graph = this.#graph;
    const width = embedDim / numHeads;
    const mixed = linear(graph, this.#weights, x, `${name}.qkv`, qkvBias);
    const split = graph.node('Reshape', [mixed, graph.integers([0, 0, 3, numHeads, width])]);
    const parts = graph.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] });
    const [q, k, v] = [0, 1, 2].map((i) =>
      graph.node('Gather', [parts, graph.integers([i], [])], { axis: 0 }),
    );
    const keys = graph.node('Transpose', [k!], { perm: [0, 1, 3, 2] });
    const scaled = graph.node('Mul', [q!, graph.floats([1 / Math.sqrt(width)], [])]);
    const weights = graph.node('Softmax', [graph.node('MatMul', [scaled, keys])], { axis: 3 });
    const heads = graph.node('Transpose', [graph.node('MatMul', [weights, v!])], { perm: [0, 2, 1, 3] });
    const joined = graph.node('Reshape', [heads, graph.integers([0, 0, embedDim])]);
    return linear(graph, this.#weights, joined, `${name}.proj`);
  }

  /** GELU by the error function, as libtorch has it. */
  #mlp(x: Value, name: string): Value {
    const graph = this.#graph;
    const hidden = linear(graph, this.#weights, x, `${name}.fc1`);
    const erf = graph.node('Erf', [graph.node('Mul', [hidden, graph.floats([Math.SQRT1_2], [])])]);
    const gate = graph.node('Mul', [
      graph.node('Add', [erf, graph.floats([1], [])]),
      graph.floats([0.5], []),
    ]);
    return linear(graph, this.#weights, graph.node('Mul', [hidden, gate]), `${name}.fc2`);
  }

  #scaled(x: Value, name: string): Value {
    if (this.#config.initValues === null) return x;
    return this.#graph.node('Mul', [x, this.#constant(`${name}.gamma`)]);
  }

  /** Over the last dimension, which is the default. */
  #norm(x: Value, name: string): Value {
    const inputs = [x, this.#constant(`${name}.weight`), this.#constant(`${name}.bias`)];
    return this.#graph.node('LayerNormalization', inputs, { epsilon: { float: this.#config.normEps } });
  }

  #constant(name: string): Value {
    const { data, shape } = this.#weights(name);
    return this.#graph.floats(data, shape);
  }
}

/** native/torch/head.cc. */
function head(
  graph: OnnxGraph,
  config: EmbedderConfig,
  weights: Weights,
  body: Value,
): { euclidean: Value; hyperbolic: Value } {
  const z = linear(graph, weights, body, 'head');
  const euclidean = graph.node('Div', [z, norm(graph, z, tiny)]);
  return { euclidean, hyperbolic: toBall(graph, config, config.head === 'hypmix' ? euclidean : z) };
}

function toBall(graph: OnnxGraph, { c, clipR, compat }: EmbedderConfig, u: Value): Value {
  const published = compat === 'hypmix';
  const small = published ? guard : tiny;
  const root = Math.sqrt(c);
  const number = (value: number): Value => graph.floats([value], []);
  let clipped = u;
  if (clipR !== null) {
    const length = published ? graph.node('Add', [norm(graph, u, 0), number(guard)]) : norm(graph, u, small);
    const factor = graph.node('Min', [graph.node('Div', [number(clipR), length]), number(1)]);
    clipped = graph.node('Mul', [u, factor]);
  }
  const scaled = graph.node('Mul', [norm(graph, clipped, small), number(root)]);
  const argument = published ? graph.node('Min', [scaled, number(tanhLimit)]) : scaled;
  const stretch = graph.node('Div', [graph.node('Tanh', [argument]), scaled]);
  const point = graph.node('Mul', [clipped, stretch]);
  const rim = number((1 - ballMargin) / root);
  const radius = norm(graph, point, small);
  const back = graph.node('Mul', [point, graph.node('Div', [rim, radius])]);
  return graph.node('Where', [graph.node('Greater', [radius, rim]), back, point]);
}

/** The norm of each row, and not less than `least`. */
function norm(graph: OnnxGraph, x: Value, least: number): Value {
  const length = graph.node('ReduceL2', [x], { axes: [1], keepdims: 1 });
  return graph.node('Max', [length, graph.floats([least], [])]);
}

/** `x W^T + b`; the product wants W^T. */
function linear(graph: OnnxGraph, weights: Weights, x: Value, name: string, bias = true): Value {
  const { data, shape } = weights(`${name}.weight`);
  const [rows = 0, cols = 0] = shape;
  const turned = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) turned[j * rows + i] = data[i * cols + j]!;
  const product = graph.node('MatMul', [x, graph.floats(turned, [cols, rows])]);
  return bias ? graph.node('Add', [product, graph.floats(weights(`${name}.bias`).data, [rows])]) : product;
}
