import type { RunConfig } from './config.ts';
import type { EvaluateOptions } from './evaluate.ts';
import { groupsOf } from './groups.ts';
import { HybridLoss } from './loss.ts';
import { Embedder } from './model.ts';
import type { Device } from './native.ts';
import { AdamW } from './optim.ts';
import type { TestSet } from './source.ts';
import { resolveViT } from './vit.ts';
import { findWeights, loadWeights } from './weights/load.ts';

/** The network of a run with its first weights; `note` hears how a weights file was made to fit. */
export async function createEmbedder(
  config: RunConfig,
  note: (text: string) => void = () => {},
): Promise<Embedder> {
  const embedder = await newEmbedder(config);
  if (config.weights === null) return embedder;
  try {
    const { notices } = await loadWeights(await findWeights(config.weights), embedder);
    for (const notice of notices) note(notice);
    return embedder;
  } catch (error) {
    embedder.dispose();
    throw error;
  }
}

/** A network that sees pictures of the size that the run crops. */
export function newEmbedder(config: RunConfig): Promise<Embedder> {
  const { model, crop, head, emb, clip_r, hyp_c, seed, freeze, device, precision } = config;
  return Embedder.create({
    model: { ...resolveViT(model), imgSize: crop },
    head,
    dim: emb,
    clipR: clip_r,
    c: hyp_c,
    seed,
    device: device as Device,
    freezePatchEmbed: freeze !== null,
    freezeBlocks: freeze ?? 0,
    compat: compatOf(config),
    precision,
  });
}

export function createLoss(config: RunConfig, embedder: Embedder): HybridLoss {
  const { geometry, num_samples, t_e, t_h, lam, hyp_c, clip_r, reduction, beta } = config;
  return new HybridLoss({
    geometry,
    tied: embedder.tied,
    views: num_samples,
    tauE: t_e,
    tauH: t_h,
    lambda: lam,
    c: hyp_c,
    clipR: clip_r,
    reduction,
    beta,
    compat: compatOf(config),
  });
}

/** How the network of a run is measured on a test set; `learnt` are temperatures that were not left as they were. */
export function evaluationOf(
  config: RunConfig,
  { protocol }: TestSet,
  learnt: { tauE?: number | undefined; tauH?: number | undefined } = {},
): EvaluateOptions {
  const { geometry, head, t_e, t_h, lam, compat, device } = config;
  const { tauE = t_e, tauH = t_h } = learnt;
  const fusion = { tauE, tauH, lambda: lam, tied: head === 'hypmix' };
  return {
    ...protocol,
    compat,
    device: device === 'cpu' ? 'cpu' : 'auto',
    fusion: geometry === 'hybrid' ? fusion : undefined,
  };
}

export function createOptimizer(config: RunConfig, embedder: Embedder): AdamW {
  const { lr, weight_decay: weightDecay, decayed, layer_decay: layerDecay } = config;
  const { depth } = embedder.config.model;
  return new AdamW(embedder, {
    lr,
    weightDecay,
    groups: groupsOf({ weightDecay, decayed, layerDecay, depth }),
  });
}

function compatOf({ compat }: RunConfig): 'hypmix' | null {
  return compat === 'hypmix' ? compat : null;
}
