import { hasKeyBias, prefixTokens, type WholeViT } from '../model/vit.ts';
import type { OnnxGraph, Value } from './graph.ts';
import { linear, type Weights } from './linear.ts';
import { type Rotation, rotate, rotationsOf } from './rotary.ts';

/** Builds a backbone from the same operators as native/torch/vit.cc and vit_parts.cc. */
export class OnnxBackbone {
  readonly #graph: OnnxGraph;
  readonly #model: WholeViT;
  readonly #weights: Weights;

  constructor(graph: OnnxGraph, model: WholeViT, weights: Weights) {
    this.#graph = graph;
    this.#model = model;
    this.#weights = weights;
  }

  /** Returns the features (N x width) of normalized images (N x 3 x H x W). */
  forward(images: Value): Value {
    const { depth, finalNorm, fcNorm, ropeType } = this.#model;
    let x = this.#tokens(images);
    const rotations = ropeType === 'none' ? [] : rotationsOf(this.#graph, this.#model, this.#weights);
    for (let i = 0; i < depth; i++) x = this.#block(x, `blocks.${i}`, rotations[i]);
    const feature = this.#pooled(x, finalNorm);
    return fcNorm ? this.#norm(feature, 'fc_norm', 1) : feature;
  }

  #tokens(images: Value): Value {
    const { patchSize: p, embedDim, classToken, distilled, regTokens } = this.#model;
    const { posEmbed, noEmbedClass, preNorm } = this.#model;
    const graph = this.#graph;
    const { data, shape } = this.#weights('patch_embed.proj.weight');
    const kernel = [graph.weights(data, shape, 0)];
    if (!preNorm) kernel.push(this.#constant('patch_embed.proj.bias'));
    const conv = graph.node('Conv', [images, ...kernel], { kernel_shape: [p, p], strides: [p, p] });
    const flat = graph.node('Reshape', [conv, graph.integers([0, embedDim, -1])]);
    const patches = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
    const count = graph.node('Shape', [images], { start: 0, end: 1 });
    const each = graph.node('Concat', [count, graph.integers([1, 1])], { axis: 0 });
    const tokens = [classToken && 'cls_token', distilled && 'dist_token', regTokens > 0 && 'reg_token']
      .filter((name) => name !== false)
      .map((name) => graph.node('Expand', [this.#constant(name), each]));
    const placed = (x: Value, when: boolean): Value =>
      posEmbed && when ? graph.node('Add', [x, this.#constant('pos_embed')]) : x;
    const parts = [...tokens, placed(patches, noEmbedClass)];
    const all = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 1 });
    const x = placed(all, !noEmbedClass);
    return preNorm ? this.#norm(x, 'norm_pre') : x;
  }

  #block(x: Value, name: string, rotation: Rotation | undefined): Value {
    const graph = this.#graph;
    const scale = (i: number): string =>
      this.#model.family === 'eva' ? `${name}.gamma_${i}` : `${name}.ls${i}.gamma`;
    const attention = this.#attention(this.#norm(x, `${name}.norm1`), `${name}.attn`, rotation);
    const attended = graph.node('Add', [x, this.#scaled(attention, scale(1))]);
    const mlp = this.#mlp(this.#norm(attended, `${name}.norm2`), `${name}.mlp`);
    return graph.node('Add', [attended, this.#scaled(mlp, scale(2))]);
  }

  #attention(x: Value, name: string, rotation: Rotation | undefined): Value {
    const { embedDim, numHeads, qkNorm, scaleAttnNorm, ropeRotateHalf: half } = this.#model;
    const width = embedDim / numHeads;
    const prefix = prefixTokens(this.#model);
    const [q, k, v] = this.#projected(x, name);
    const [queries, keys] = ([q, k] as const).map((part, i) => {
      const normed = qkNorm ? this.#norm(part, `${name}.${i === 0 ? 'q' : 'k'}_norm`, 3) : part;
      return rotation === undefined ? normed : rotate(this.#graph, normed, rotation, { prefix, half, width });
    });
    const joined = this.#attend(queries!, keys!, v, width);
    const mixed = scaleAttnNorm ? this.#norm(joined, `${name}.norm`) : joined;
    return linear(this.#graph, this.#weights, mixed, `${name}.proj`);
  }

  /** Returns queries, keys and values, each N x heads x tokens x width of a head. */
  #projected(x: Value, name: string): readonly [q: Value, k: Value, v: Value] {
    const { embedDim, numHeads, qkvBias, qkvFused } = this.#model;
    const graph = this.#graph;
    const width = embedDim / numHeads;
    if (!qkvFused) {
      const each = (letter: string, bias: boolean): Value =>
        this.#byHead(linear(graph, this.#weights, x, `${name}.${letter}_proj`, bias), numHeads, width);
      return [each('q', qkvBias), each('k', hasKeyBias(this.#model)), each('v', qkvBias)];
    }
    const mixed = linear(graph, this.#weights, x, `${name}.qkv`, this.#fusedBias(name));
    const split = graph.node('Reshape', [mixed, graph.integers([0, 0, 3, numHeads, width])]);
    const parts = graph.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] });
    const part = (i: number): Value => graph.node('Gather', [parts, graph.integers([i], [])], { axis: 0 });
    return [part(0), part(1), part(2)];
  }

  #fusedBias(name: string): boolean | ArrayLike<number> {
    const { qkvBias, embedDim } = this.#model;
    if (!qkvBias || hasKeyBias(this.#model)) return qkvBias;
    const bias = new Float32Array(3 * embedDim);
    bias.set(Array.from(this.#weights(`${name}.q_bias`).data), 0);
    bias.set(Array.from(this.#weights(`${name}.v_bias`).data), 2 * embedDim);
    return bias;
  }

  #byHead(x: Value, heads: number, width: number): Value {
    const graph = this.#graph;
    const split = graph.node('Reshape', [x, graph.integers([0, 0, heads, width])]);
    return graph.node('Transpose', [split], { perm: [0, 2, 1, 3] });
  }

  /** Returns softmax(q k^T / sqrt(width)) v, with the heads concatenated. */
  #attend(q: Value, k: Value, v: Value, width: number): Value {
    const graph = this.#graph;
    const keys = graph.node('Transpose', [k], { perm: [0, 1, 3, 2] });
    const scaled = graph.node('Mul', [q, graph.floats([1 / Math.sqrt(width)], [])]);
    const weights = graph.node('Softmax', [graph.node('MatMul', [scaled, keys])], { axis: 3 });
    const heads = graph.node('Transpose', [graph.node('MatMul', [weights, v])], { perm: [0, 2, 1, 3] });
    return graph.node('Reshape', [heads, graph.integers([0, 0, this.#model.embedDim])]);
  }

  #mlp(x: Value, name: string): Value {
    const { mlpLayer, scaleMlpNorm, actLayer } = this.#model;
    const graph = this.#graph;
    const layer = (of: string): Value => linear(graph, this.#weights, x, `${name}.${of}`);
    let inner: Value;
    if (mlpLayer === 'mlp') inner = this.#activated(layer('fc1'), actLayer);
    else {
      const [gate, value] =
        mlpLayer === 'swiglu' ? [layer('fc1_g'), layer('fc1_x')] : this.#halves(layer('fc1'), name);
      inner = graph.node('Mul', [this.#activated(gate, actLayer), value]);
    }
    return linear(
      graph,
      this.#weights,
      scaleMlpNorm ? this.#norm(inner, `${name}.norm`) : inner,
      `${name}.fc2`,
    );
  }

  #halves(x: Value, name: string): readonly [Value, Value] {
    const graph = this.#graph;
    const half = this.#weights(`${name}.fc1.weight`).shape[0]! / 2;
    const split = graph.node('Reshape', [x, graph.integers([0, 0, 2, half])]);
    const part = (i: number): Value => graph.node('Gather', [split, graph.integers([i], [])], { axis: 2 });
    return [part(0), part(1)];
  }

  #activated(x: Value, act: WholeViT['actLayer']): Value {
    const graph = this.#graph;
    const number = (value: number): Value => graph.floats([value], []);
    const times = (a: Value, b: Value): Value => graph.node('Mul', [a, b]);
    if (act === 'silu') return times(x, graph.node('Sigmoid', [x]));
    if (act === 'quick_gelu') return times(x, graph.node('Sigmoid', [times(x, number(1.702))]));
    const cube = (): Value => times(times(x, x), times(x, number(0.044715)));
    const argument = (): Value => times(graph.node('Add', [x, cube()]), number(Math.sqrt(2 / Math.PI)));
    const curve =
      act === 'gelu'
        ? graph.node('Erf', [times(x, number(Math.SQRT1_2))]) // exact GELU, as in libtorch
        : graph.node('Tanh', [argument()]);
    return times(x, times(graph.node('Add', [curve, number(1)]), number(0.5)));
  }

  #pooled(x: Value, finalNorm: boolean): Value {
    const { globalPool, distilled, poolIncludePrefix } = this.#model;
    const graph = this.#graph;
    const normed = (value: Value, axis = 2): Value => (finalNorm ? this.#norm(value, 'norm', axis) : value);
    if (globalPool === 'token') {
      if (!distilled) return normed(graph.node('Gather', [x, graph.integers([0], [])], { axis: 1 }), 1);
      return this.#mean(normed(graph.node('Gather', [x, graph.integers([0, 1])], { axis: 1 })));
    }
    const first = poolIncludePrefix ? 0 : prefixTokens(this.#model);
    const ends = [[first], [Number.MAX_SAFE_INTEGER], [1]].map((each) => graph.integers(each));
    const patches = first === 0 ? x : graph.node('Slice', [x, ...ends]);
    return globalPool === 'avg' ? this.#mean(normed(patches)) : this.#attentionPool(normed(patches));
  }

  #mean(x: Value): Value {
    return this.#graph.node('ReduceMean', [x], { axes: [1], keepdims: 0 });
  }

  #attentionPool(x: Value): Value {
    const { embedDim, attnPoolNumHeads: heads, family, actLayer } = this.#model;
    const graph = this.#graph;
    const width = embedDim / heads;
    const name = 'attn_pool';
    const query = linear(graph, this.#weights, this.#constant(`${name}.latent`), `${name}.q`);
    const both = linear(graph, this.#weights, x, `${name}.kv`);
    const split = graph.node('Reshape', [both, graph.integers([0, 0, 2, heads, width])]);
    const parts = graph.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] });
    const part = (i: number): Value => graph.node('Gather', [parts, graph.integers([i], [])], { axis: 0 });
    const mixed = this.#attend(this.#byHead(query, heads, width), part(0), part(1), width);
    const pooled = linear(graph, this.#weights, mixed, `${name}.proj`);
    const inner = linear(graph, this.#weights, this.#norm(pooled, `${name}.norm`), `${name}.mlp.fc1`);
    const act = family === 'eva' ? 'gelu' : actLayer;
    const mlp = linear(graph, this.#weights, this.#activated(inner, act), `${name}.mlp.fc2`);
    const all = graph.node('Add', [pooled, mlp]);
    return graph.node('Gather', [all, graph.integers([0], [])], { axis: 1 });
  }

  #scaled(x: Value, name: string): Value {
    if (this.#model.initValues === null) return x;
    return this.#graph.node('Mul', [x, this.#constant(name)]);
  }

  /**
   * Normalizes `x` along its last axis.
   * @param axis - index of the last axis: 1 for [batch, feature], 2 for [batch, token, feature], 3 for [batch, head,
   * token, feature]
   */
  #norm(x: Value, name: string, axis = 2): Value {
    const { normLayer, normEps } = this.#model;
    const graph = this.#graph;
    const weight = this.#constant(`${name}.weight`);
    if (normLayer === 'layernorm') {
      const inputs = [x, weight, this.#constant(`${name}.bias`)];
      return graph.node('LayerNormalization', inputs, { epsilon: { float: normEps } });
    }
    const square = graph.node('ReduceMean', [graph.node('Mul', [x, x])], { axes: [axis], keepdims: 1 });
    const size = graph.node('Sqrt', [graph.node('Add', [square, graph.floats([normEps], [])])]);
    return graph.node('Mul', [graph.node('Div', [x, size]), weight]);
  }

  #constant(name: string): Value {
    const { data, shape } = this.#weights(name);
    return this.#graph.floats(data, shape);
  }
}
