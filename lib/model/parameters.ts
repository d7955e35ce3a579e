import type { ViTConfig } from './types.ts';
import { gridOf, hasKeyBias, prefixTokens } from './vit.ts';

/** A parameter, named as in timm. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

type Model = Readonly<Required<ViTConfig>>;

/** Returns the parameters of a backbone, as native/torch/vit.cc registers them. */
export function backboneParameters(config: Model): ParameterShape[] {
  const { patchSize, embedDim: width, depth, preNorm, finalNorm, fcNorm, globalPool } = config;
  return [
    ...tokens(config),
    { name: 'patch_embed.proj.weight', shape: [width, 3, patchSize, patchSize] },
    ...(preNorm ? [] : [{ name: 'patch_embed.proj.bias', shape: [width] }]),
    ...(preNorm ? norm(config, 'norm_pre') : []),
    ...Array.from({ length: depth }, (_, i) => block(config, `blocks.${i}`)).flat(),
    ...(finalNorm ? norm(config, 'norm') : []),
    ...(globalPool === 'map' ? attentionPool(config) : []),
    ...(fcNorm ? norm(config, 'fc_norm') : []),
    ...frequencies(config),
  ];
}

function tokens(config: Model): ParameterShape[] {
  const { embedDim: width, classToken, distilled, regTokens, posEmbed, noEmbedClass } = config;
  const [rows, columns] = gridOf(config);
  const positions = rows * columns + (noEmbedClass ? 0 : prefixTokens(config));
  const counts: Record<string, number> = {
    cls_token: Number(classToken),
    dist_token: Number(distilled),
    reg_token: regTokens,
    pos_embed: posEmbed ? positions : 0,
  };
  return Object.entries(counts).flatMap(([name, count]) =>
    count === 0 ? [] : [{ name, shape: [1, count, width] }],
  );
}

function block(config: Model, name: string): ParameterShape[] {
  const { embedDim: width, initValues, family } = config;
  const scale = (i: number): ParameterShape[] => {
    const part = family === 'eva' ? `gamma_${i}` : `ls${i}.gamma`;
    return initValues === null ? [] : [{ name: `${name}.${part}`, shape: [width] }];
  };
  return [
    ...norm(config, `${name}.norm1`),
    ...attention(config, `${name}.attn`),
    ...scale(1),
    ...norm(config, `${name}.norm2`),
    ...mlp(config, `${name}.mlp`),
    ...scale(2),
  ];
}

function attention(config: Model, name: string): ParameterShape[] {
  const { embedDim: width, numHeads, qkvFused, qkvBias, qkNorm, scaleAttnNorm } = config;
  const keyBias = hasKeyBias(config);
  const bias = (part: string): ParameterShape => ({ name: `${name}.${part}_bias`, shape: [width] });
  const fused = [
    ...linear(`${name}.qkv`, width, 3 * width, keyBias),
    ...(qkvBias && !keyBias ? [bias('q'), bias('v')] : []),
  ];
  const separate = [
    ...linear(`${name}.q_proj`, width, width, qkvBias),
    ...linear(`${name}.k_proj`, width, width, keyBias),
    ...linear(`${name}.v_proj`, width, width, qkvBias),
  ];
  const heads = ['q_norm', 'k_norm'].flatMap((part) => norm(config, `${name}.${part}`, width / numHeads));
  return [
    ...(qkvFused ? fused : separate),
    ...(qkNorm ? heads : []),
    ...(scaleAttnNorm ? norm(config, `${name}.norm`) : []),
    ...linear(`${name}.proj`, width, width),
  ];
}

function mlp(config: Model, name: string): ParameterShape[] {
  const { embedDim: width, mlpLayer, scaleMlpNorm } = config;
  const hidden = hiddenWidth(config);
  const first = {
    mlp: linear(`${name}.fc1`, width, hidden),
    swiglu_packed: linear(`${name}.fc1`, width, 2 * hidden),
    swiglu: [...linear(`${name}.fc1_g`, width, hidden), ...linear(`${name}.fc1_x`, width, hidden)],
  };
  return [
    ...first[mlpLayer],
    ...(scaleMlpNorm ? norm(config, `${name}.norm`, hidden) : []),
    ...linear(`${name}.fc2`, hidden, width),
  ];
}

/**
 * Returns the hidden width after the gate. In a packed layer, `mlp_ratio` counts both halves in timm's
 * VisionTransformer, and only one in Eva.
 */
function hiddenWidth({ embedDim, mlpRatio, mlpLayer, mlpAlign, family }: Model): number {
  const width = Math.trunc(embedDim * mlpRatio);
  if (mlpLayer === 'swiglu_packed' && family === 'vit') return Math.trunc(width / 2);
  return mlpLayer === 'swiglu' && mlpAlign > 0 ? Math.ceil(width / mlpAlign) * mlpAlign : width;
}

function attentionPool(config: Model): ParameterShape[] {
  const { embedDim: width, attnPoolMlpRatio } = config;
  const name = 'attn_pool';
  const hidden = Math.trunc(width * attnPoolMlpRatio);
  return [
    { name: `${name}.latent`, shape: [1, 1, width] },
    ...linear(`${name}.q`, width, width),
    ...linear(`${name}.kv`, width, 2 * width),
    ...linear(`${name}.proj`, width, width),
    ...norm(config, `${name}.norm`),
    ...linear(`${name}.mlp.fc1`, width, hidden),
    ...linear(`${name}.mlp.fc2`, hidden, width),
  ];
}

function frequencies({ ropeType, depth, numHeads, embedDim }: Model): ParameterShape[] {
  const shape = [2, depth, numHeads, embedDim / numHeads / 2];
  return ropeType === 'mixed' ? [{ name: 'rope.freqs', shape }] : [];
}

function norm({ normLayer, embedDim }: Model, name: string, width: number = embedDim): ParameterShape[] {
  const parts = normLayer === 'rmsnorm' ? ['weight'] : ['weight', 'bias'];
  return parts.map((part) => ({ name: `${name}.${part}`, shape: [width] }));
}

function linear(name: string, inputs: number, outputs: number, bias = true): ParameterShape[] {
  const weight = { name: `${name}.weight`, shape: [outputs, inputs] };
  return bias ? [weight, { name: `${name}.bias`, shape: [outputs] }] : [weight];
}
