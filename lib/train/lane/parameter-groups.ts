import { atLeastZero, choice, integer, positive, readOptions } from '../../check.ts';
import { rangeError } from '../../errors.ts';
import type { Parameter } from './types.ts';

/** Optimizer settings of one parameter. */
export interface Group {
  /** Factor of the learning rate; 1 by default. */
  rate?: number;
  /** Decoupled weight decay; the optimizer's by default. */
  weightDecay?: number;
}

/** The values of {@link GroupOptions.decayed}. */
export const decayedParts = ['all', 'matrices'] as const;

/** Options of {@link groupsOf}. */
export interface GroupOptions {
  /** Weight decay of the parameters that `decayed` selects. */
  weightDecay: number;
  /** Parameters with weight decay: all, or only matrices (no biases, norms, tokens or position embeddings). */
  decayed: (typeof decayedParts)[number];
  /**
   * Learning rate of each layer relative to the next layer; above 0, at most 1 (Clark et al. 2020, arXiv 2003.10555).
   */
  layerDecay: number;
  /** Number of blocks of the backbone. */
  depth: number;
}

/**
 * Returns a function for the option `groups` of `AdamW`, which gives the learning rate factor and weight decay of a
 * parameter by its name and shape. The factor of a layer is `layerDecay ** (layers after it)`.
 * @example
 * const groups = groupsOf({ weightDecay: 0.05, decayed: 'matrices', layerDecay: 0.75, depth: 12 });
 * new AdamW(embedder, { lr: 3e-4, groups });
 */
export function groupsOf(options: GroupOptions): (parameter: Parameter) => Required<Group> {
  const { weightDecay, decayed, layerDecay, depth } = readOptions('groupsOf', options, [
    'weightDecay',
    'decayed',
    'layerDecay',
    'depth',
  ]);
  atLeastZero('groupsOf', 'weightDecay', weightDecay);
  choice('groupsOf', 'decayed', decayed, decayedParts);
  if (positive('groupsOf', 'layerDecay', layerDecay) > 1)
    throw rangeError('groupsOf', 'layerDecay', 'a number above 0 and at most 1', layerDecay);
  integer('groupsOf', 'depth', depth, 1, Number.MAX_SAFE_INTEGER);
  return ({ name, shape }) => ({
    rate: layerDecay ** (depth + 1 - layerOf(name, depth)),
    weightDecay: decayed === 'all' || isMatrix(name, shape) ? weightDecay : 0,
  });
}

/** Returns the layer of a parameter: 0 before the blocks (tokens and embeddings), i + 1 for block i, `depth` + 1 after. */
function layerOf(name: string, depth: number): number {
  const block = /^blocks\.(\d+)\./.exec(name)?.[1];
  if (block !== undefined) return Number(block) + 1;
  return /^((cls|dist|reg)_token|pos_embed|patch_embed\.|norm_pre\.|rope\.)/.test(name) ? 0 : depth + 1;
}

function isMatrix(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !/^((cls|dist|reg)_token|pos_embed|rope\.freqs|attn_pool\.latent)$/.test(name);
}
