import { backboneParameters } from '../../model/parameters.ts';
import type { ViTConfig } from '../../model/types.ts';
import { shapedValues } from '../lane/embedder.ts';
import type { NamedTensor } from '../lane/types.ts';
import { type LoadWeightsOptions, loadWeights } from './load.ts';

/** The result of {@link readBackbone}. */
export interface BackboneWeights {
  /** Weights by timm's names. */
  weights: ReadonlyMap<string, NamedTensor>;
  /** Adaptations and unused parameters, one sentence each, for display. */
  notices: string[];
}

/**
 * Reads the weights of a backbone as `loadWeights` does, without libtorch.
 *
 * @throws the errors of `loadWeights`
 */
export async function readBackbone(
  path: string,
  model: Readonly<Required<ViTConfig>>,
  options: LoadWeightsOptions = {},
): Promise<BackboneWeights> {
  const parameters = backboneParameters(model);
  const weights = new Map<string, NamedTensor>();
  const target = {
    config: { model },
    parameters: () => parameters,
    loadState: async (state: ReadonlyMap<string, NamedTensor>) => {
      for (const { name, shape } of parameters) {
        const tensor = state.get(name);
        if (tensor !== undefined)
          weights.set(name, { shape, data: shapedValues('readBackbone', name, shape, tensor) });
      }
      const missing = parameters.map(({ name }) => name).filter((name) => !state.has(name));
      return { missing, unexpected: [] };
    },
  };
  const { notices } = await loadWeights(path, target, options);
  return { weights, notices };
}
