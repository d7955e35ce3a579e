/** Estimates the cost of a step with several ranks from sizes and measured speeds. */
import { backboneParameters } from '../../model/parameters.ts';
import { resolveViT } from '../../model/vit.ts';

export interface CostOptions {
  /** A name in `vitConfigs`, or JSON text with the arguments of a timm model. */
  model: string;
  /** Dimension of the embedding. */
  dim: number;
  /** Global batch size in images. */
  batch: number;
  ranks: number;
  /** Images per second of a single rank, as printed by a run. If it is NaN (unknown), the times and rates are NaN too. */
  imagesPerSecond: number;
  /** Bytes per second that a rank can send and receive at the same time. */
  bandwidth: number;
  /** Device of the ranks; default `cpu`. On CPUs, the ranks divide the loss; on CUDA devices, each computes all of it. */
  device?: 'cpu' | 'cuda';
}

export interface Cost {
  parameters: number;
  /** Bytes that each rank sends per step: embeddings, and gradients. */
  embeddingBytes: number;
  gradientBytes: number;
  /**
   * Bytes on each rank in addition to the graph: weights, gradients, two moments and, with several ranks, communication
   * buckets.
   */
  stateBytes: number;
  /**
   * Bytes on each rank for the gathered embeddings, and for two copies of its part of their gradients: before and after
   * scaling.
   */
  gatheredBytes: number;
  /** Floating-point operations of the loss on each rank, for a geometry with one inner product per pair of rows. */
  lossOperations: number;
  /** Seconds per step: computation alone, and computation followed by communication without overlap. */
  computeSeconds: number;
  serialSeconds: number;
  /**
   * Images per second of all ranks: if the all-reduce of the gradients overlaps with the backward pass, and without any
   * overlap.
   */
  bestRate: number;
  worstRate: number;
  /** `bestRate` and `worstRate` relative to the rate of the same ranks without communication. */
  bestEfficiency: number;
  worstEfficiency: number;
}

/** Returns the number of parameters of a backbone with its head. */
export function parameterCount(model: string, dim: number): number {
  const config = resolveViT(model);
  const sizes = backboneParameters(config).map(({ shape }) =>
    shape.reduce((product, side) => product * side, 1),
  );
  return sizes.reduce((sum, size) => sum + size, 0) + config.embedDim * dim + dim;
}

/**
 * Estimates the cost of a step on R ranks with P parameters, batch size N and embedding dimension D. In the all-gather of
 * both outputs, each rank sends (R - 1) 2 N D 4 / R bytes; in the all-reduce of the gradients, 2 (R - 1) / R P 4 bytes.
 *
 * The whole loss has N^2 / 2 pairs, each with an inner product of length D in the forward pass, another in the backward
 * pass, and the gradients of both rows. A rank that computes a part has (N / R)^2 / 2 such pairs, and (N / R) (N - N / R)
 * pairs with rows of other ranks, which need the gradient of one row only. If `imagesPerSecond` was measured with a smaller
 * batch, it only includes the loss of that batch.
 */
export function costOf(options: CostOptions): Cost {
  const { model, dim, batch, ranks, imagesPerSecond, bandwidth, device = 'cpu' } = options;
  const parts = device === 'cpu' ? ranks : 1;
  const parameters = parameterCount(model, dim);
  const share = (ranks - 1) / ranks;
  const embeddingBytes = share * 2 * batch * dim * 4;
  const gradientBytes = 2 * share * parameters * 4;
  const computeSeconds = batch / ranks / imagesPerSecond;
  const [gather, reduce] = [embeddingBytes / bandwidth, gradientBytes / bandwidth];
  // The all-reduce overlaps with the backward pass, about two thirds of a step; only the excess adds to the step.
  const bestSeconds = computeSeconds + gather + Math.max(0, reduce - (2 / 3) * computeSeconds);
  const serialSeconds = computeSeconds + gather + reduce;
  return {
    parameters,
    embeddingBytes,
    gradientBytes,
    stateBytes: (ranks > 1 ? 5 : 4) * 4 * parameters,
    gatheredBytes: (1 + 2 / parts) * 2 * batch * dim * 4,
    lossOperations: (batch ** 2 / parts) * (3 - 1 / parts) * 2 * dim,
    computeSeconds,
    serialSeconds,
    bestRate: batch / bestSeconds,
    worstRate: batch / serialSeconds,
    bestEfficiency: computeSeconds / bestSeconds,
    worstEfficiency: computeSeconds / serialSeconds,
  };
}
