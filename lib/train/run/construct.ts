import { needsProxies } from '../../batch-loss.ts';
import { geometryTerms } from '../../card-names.ts';
import { resolveViT } from '../../model/vit.ts';
import { Embedder } from '../lane/embedder.ts';
import { HybridLoss } from '../lane/loss.ts';
import { deviceOf } from '../lane/native.ts';
import { AdamW } from '../lane/optim.ts';
import { groupsOf } from '../lane/parameter-groups.ts';
import { Proxies } from '../lane/proxies.ts';
import { TreeLoss } from '../lane/tree-loss.ts';
import type { EvaluateOptions } from '../measure/evaluate.ts';
import type { TestSet } from '../measure/test-set.ts';
import { appliesTo, type RunConfig } from '../options/options.ts';
import { configError } from '../options/resolve.ts';
import { treeTermsOf } from '../options/tree.ts';
import { checksumOf, loadWeights, type WeightsTarget, weightsFile } from '../weights/load.ts';
import { isHeadPart } from '../weights/names.ts';

/**
 * Creates the network of a run with its initial weights.
 *
 * @param note - receives messages about adapted weights, without a final period
 * @param options - `head`: whether the weights of the head are loaded, too; default true
 */
export async function createEmbedder(
  config: RunConfig,
  note: (text: string) => void = () => {},
  { head = true }: { head?: boolean } = {},
): Promise<Embedder> {
  const embedder = await newEmbedder(config);
  if (config.weights === null) return embedder;
  try {
    const target = head ? embedder : backboneOf(embedder);
    const { partial } = config;
    const file = await weightsFile(config.weights, { at: '[train] weights' });
    const { notices } = await loadWeights(file, target, { partial });
    for (const notice of notices) note(notice.replace(/\.$/, ''));
    return embedder;
  } catch (error) {
    embedder.dispose();
    throw error;
  }
}

/** Returns the CRC-32 of the file with the initial weights of a run; null for random weights. */
export async function initialWeightsOf({ weights }: RunConfig): Promise<number | null> {
  return weights === null ? null : await checksumOf(await weightsFile(weights, { at: '[train] weights' }));
}

/** Returns the backbone of a network as a target for weights; used for outputs that do not depend on the head. */
function backboneOf(embedder: Embedder): WeightsTarget {
  const parameters = embedder.parameters().filter(({ name }) => !isHeadPart(name));
  return {
    config: embedder.config,
    parameters: () => parameters,
    loadState: async (state, options) => {
      const { missing, unexpected } = await embedder.loadState(state, options);
      return { missing: missing.filter((name) => !isHeadPart(name)), unexpected };
    },
  };
}

/** Creates a network with the run's crop size as its input size. */
export function newEmbedder(config: RunConfig): Promise<Embedder> {
  const { model, crop, head, emb, clip_r, hyp_c, seed, freeze, device, precision } = config;
  return Embedder.create({
    model: { ...resolveViT(model), imgSize: crop },
    head,
    dim: emb,
    clipR: clip_r,
    c: hyp_c,
    seed,
    device: deviceOf(device),
    freezePatchEmbed: freeze !== null,
    freezeBlocks: freeze ?? 0,
    compat: compatOf(config),
    precision,
  });
}

export function createLoss(config: RunConfig, embedder: Embedder): HybridLoss {
  const { loss, geometry, num_samples, t_e, t_h, lam, hyp_c, clip_r, reduction, beta } = config;
  const { alpha, mrg: margin, base } = config;
  const numbers = appliesTo('alpha', config) ? { alpha, margin, base } : {};
  return new HybridLoss({
    loss,
    geometry,
    tied: embedder.tied,
    views: num_samples,
    tauE: t_e,
    tauH: t_h,
    lambda: lam,
    c: hyp_c,
    clipR: clip_r,
    reduction,
    hardness: beta,
    ...numbers,
    compat: compatOf(config),
  });
}

/** Creates the losses on the class tree; null without the option `tree`. */
export function createTreeLoss(config: RunConfig, loss: HybridLoss): TreeLoss | null {
  const { tree, tree_levels, tree_t, tree_cones, tree_k, tree_radius, tree_reach, clip_r } = config;
  if (tree === null) return null;
  const weights = { levels: tree_levels, cones: tree_cones, radius: tree_radius };
  return new TreeLoss(loss, {
    weights: Object.fromEntries(treeTermsOf(tree).map((term) => [term, weights[term]])),
    temperature: tree_t,
    k: tree_k,
    reach: tree_reach ?? 2 * (clip_r ?? 1), // only used by `radius`, which requires tree_reach or clip_r
  });
}

/**
 * Returns the evaluation options of a run.
 *
 * @param current - current values of learnable temperatures
 */
export function evaluationOf(
  config: RunConfig,
  { protocol }: TestSet,
  current: { tauE?: number | undefined; tauH?: number | undefined } = {},
): EvaluateOptions {
  const { geometry, head, t_e, t_h, lam, compat, device } = config;
  const { tauE = t_e, tauH = t_h } = current;
  const { inner, distance } = geometryTerms[geometry];
  const fusion = { tauE, tauH, lambda: lam, tied: head === 'hypmix' };
  return {
    ...protocol,
    compat,
    device: device === 'cpu' ? 'cpu' : 'auto',
    fusion: inner && distance ? fusion : undefined,
  };
}

/**
 * Creates the proxies of a run's loss; null for a loss without proxies.
 * @param labels - labels of the training images; null if they are unknown
 * @throws `ERR_HOROBALL_CONFIG` if they are needed and unknown
 */
export function createProxies(
  { loss, seed }: RunConfig,
  embedder: Embedder,
  labels: Int32Array | null,
): Proxies | null {
  if (!needsProxies(loss)) return null;
  if (labels !== null) return new Proxies(embedder, { labels, seed });
  throw configError(
    `[train] loss: expected a loss without proxies for batches without a data set, got ${loss}. Choose another loss, or train on a data set. A custom loop passes the labels to Learner.create.`,
  );
}

export function createOptimizer(config: RunConfig, embedder: Embedder, proxies: Proxies | null): AdamW {
  const { lr, proxy_lr, weight_decay: weightDecay, decayed, layer_decay: layerDecay } = config;
  const { depth } = embedder.config.model;
  const ofNetwork = groupsOf({ weightDecay, decayed, layerDecay, depth });
  const ofProxies = { rate: proxy_lr === null ? defaultProxyRate : proxy_lr / lr, weightDecay };
  return new AdamW(embedder, {
    lr,
    weightDecay,
    proxies,
    groups: (parameter) => (parameter === proxies?.parameter ? ofProxies : ofNetwork(parameter)),
  });
}

/** Learning rate of the proxies relative to `lr`, as published. */
const defaultProxyRate = 100;

function compatOf({ compat }: RunConfig): 'hypmix' | null {
  return compat === 'hypmix' ? compat : null;
}
