import { headConstants } from '../card-names.ts';
import { sides } from '../model/sides.ts';
import type { NetworkConfig } from '../model/types.ts';
import { OnnxBackbone } from './backbone.ts';
import { OnnxGraph, type Value } from './graph.ts';
import { linear, type Weights } from './linear.ts';
import { inputName, outputNames } from './serving.ts';
import type { Storage } from './storage.ts';

/** A network to export: a trained network with its head, or a backbone alone. */
export type Exportable = NetworkConfig | Pick<NetworkConfig, 'model'>;

/**
 * Returns a network as an ONNX file. The input and two outputs have the names that transformers uses, so that its tools
 * find them; see {@link inputName} and {@link outputNames}.
 */
export function onnxNetwork(
  network: Exportable,
  weights: Weights,
  metadata: Record<string, string>,
  storage: Storage = 'fp32',
): Uint8Array {
  const graph = new OnnxGraph(storage);
  const { imgSize, embedDim } = network.model;
  const images = graph.input(inputName, ['batch_size', 3, ...sides(imgSize)]);
  const feature = new OnnxBackbone(graph, network.model, weights).forward(images);
  graph.output(outputNames.feature, feature, ['batch_size', embedDim]);
  if ('head' in network) {
    const { euclidean, hyperbolic } = head(graph, network, weights, feature);
    graph.output(outputNames.unit, euclidean, ['batch_size', network.dim]);
    graph.output(outputNames.ball, hyperbolic, ['batch_size', network.dim]);
  } else {
    const unit = graph.node('Div', [feature, norm(graph, feature, headConstants.unitFloor)]);
    graph.output(outputNames.unit, unit, ['batch_size', embedDim]);
  }
  return graph.build('embedder', metadata);
}

/**
 * Builds the operators of native/torch/head.cc. A graph cannot call the maps to the ball in native/ops/head.h, so they
 * are repeated here; the tests compare the outputs.
 */
function head(
  graph: OnnxGraph,
  config: NetworkConfig,
  weights: Weights,
  body: Value,
): { euclidean: Value; hyperbolic: Value } {
  const z = linear(graph, weights, body, 'head');
  const euclidean = graph.node('Div', [z, norm(graph, z, headConstants.unitFloor)]);
  return { euclidean, hyperbolic: toBall(graph, config, config.head === 'hypmix' ? euclidean : z) };
}

function toBall(graph: OnnxGraph, { c, clipR, compat }: NetworkConfig, u: Value): Value {
  const published = compat === 'hypmix';
  const { unitFloor, margin, bias, leastNorm, topTanh } = headConstants;
  const small = published ? leastNorm : unitFloor;
  const root = Math.sqrt(c);
  const number = (value: number): Value => graph.floats([value], []);
  let clipped = u;
  if (clipR !== null) {
    const length = published ? graph.node('Add', [norm(graph, u, 0), number(bias)]) : norm(graph, u, small);
    const factor = graph.node('Min', [graph.node('Div', [number(clipR), length]), number(1)]);
    clipped = graph.node('Mul', [u, factor]);
  }
  const scaled = graph.node('Mul', [norm(graph, clipped, small), number(root)]);
  const argument = published ? graph.node('Min', [scaled, number(topTanh)]) : scaled;
  const stretch = graph.node('Div', [graph.node('Tanh', [argument]), scaled]);
  const point = graph.node('Mul', [clipped, stretch]);
  const rim = number((1 - margin) / root);
  const radius = norm(graph, point, small);
  const back = graph.node('Mul', [point, graph.node('Div', [rim, radius])]);
  return graph.node('Where', [graph.node('Greater', [radius, rim]), back, point]);
}

/** Returns the norm of each row, at least `least`. */
function norm(graph: OnnxGraph, x: Value, least: number): Value {
  const length = graph.node('ReduceL2', [x], { axes: [1], keepdims: 1 });
  return graph.node('Max', [length, graph.floats([least], [])]);
}
