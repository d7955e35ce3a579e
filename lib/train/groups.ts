import type { Parameter } from './model.ts';

/** How a parameter is updated beside the others. */
export interface Group {
  /** Factor of the learning rate; 1 by default. */
  rate?: number;
  /** In place of the optimiser's own. */
  weightDecay?: number;
}

export interface GroupOptions {
  weightDecay: number;
  /** Which parameters decay: all, or matrices only, that is no bias, norm, token or position. */
  decayed: 'all' | 'matrices';
  /** Each layer's rate over that of the layer above it, above 0 and at most 1 (Clark et al. 2020, arXiv 2003.10555). */
  layerDecay: number;
  /** Blocks of the network. */
  depth: number;
}

/** Rate and decay of a network's parameters, by their names and shapes. */
export function groupsOf(options: GroupOptions): (parameter: Parameter) => Required<Group> {
  const { weightDecay, decayed, layerDecay, depth } = options;
  return ({ name, shape }) => ({
    rate: layerDecay ** (depth + 1 - layerOf(name, depth)),
    weightDecay: decayed === 'all' || isMatrix(name, shape) ? weightDecay : 0,
  });
}

/** 0 for tokens, positions and patches, i + 1 for block i, `depth` + 1 for what follows the blocks. */
function layerOf(name: string, depth: number): number {
  const block = /^blocks\.(\d+)\./.exec(name)?.[1];
  if (block !== undefined) return Number(block) + 1;
  return /^(cls_token|dist_token|pos_embed|patch_embed\.)/.test(name) ? 0 : depth + 1;
}

function isMatrix(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !/^(cls_token|dist_token|pos_embed)$/.test(name);
}
