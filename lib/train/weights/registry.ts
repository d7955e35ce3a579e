/** Published weights that can be downloaded by name. */
export interface PublishedWeights {
  /** The name in timm, or the name of the file. */
  readonly name: string;
  /** The name of the model in `vitConfigs`. */
  readonly model: string;
  readonly url: string;
  /** Data and method of pretraining. */
  readonly source: string;
  /** The license that the distributor states, as an SPDX identifier if there is one. */
  readonly license: string;
  /** Size of the parameters in float32, including the classifier, in bytes. The file also has a header. */
  readonly bytes: number;
}

type Origin = readonly [source: string, parameters: number, license?: string];

function entry(
  name: string,
  model: string,
  url: string,
  [source, parameters, license = 'Apache-2.0']: Origin,
): PublishedWeights {
  return { name, model, url, source, license, bytes: 4 * parameters };
}

/** Describes weights in timm's repositories; `model` is the name in `vitConfigs` if it differs from timm's. */
const timm = (
  repository: string,
  origin: Origin,
  model: string = repository.split('.')[0]!,
): PublishedWeights =>
  entry(
    repository,
    model,
    `https://huggingface.co/timm/${repository}/resolve/main/model.safetensors`,
    origin,
  );

/** Describes weights published by Meta. */
const meta = (path: string, model: string, origin: Origin): PublishedWeights =>
  entry(path.split('/').at(-1)!, model, `https://dl.fbaipublicfiles.com/${path}.pth`, origin);

const augreg = 'ImageNet-21k, then ImageNet-1k (AugReg)';
const deit = 'ImageNet-1k, distilled (DeiT)';
const dino = 'ImageNet-1k, self-supervised (DINO)';
const dinov2 = 'LVD-142M, self-supervised (DINOv2)';
const dinov2Registers = 'LVD-142M, self-supervised (DINOv2 with registers)';
const dinov3 = 'LVD-1689M, self-supervised (DINOv3)';
const openAI = 'WIT-400M image-text pairs (OpenAI CLIP)';
const laion = 'LAION-2B image-text pairs (OpenCLIP)';
const datacomp = 'DataComp-XL image-text pairs (OpenCLIP)';
const webli = 'WebLI image-text pairs (SigLIP)';

/** Weights for the backbones that the published experiments use, and for other common backbones. */
export const publishedWeights: readonly PublishedWeights[] = [
  timm('vit_small_patch16_224.augreg_in21k_ft_in1k', [augreg, 22_050_664]),
  timm('vit_base_patch16_224.augreg_in21k_ft_in1k', [augreg, 86_567_656]),
  timm('vit_tiny_patch16_224.augreg_in21k_ft_in1k', [augreg, 5_717_416]),
  timm('deit_small_distilled_patch16_224.fb_in1k', [deit, 22_436_432]),
  timm('deit_base_distilled_patch16_224.fb_in1k', [deit, 87_338_192]),
  meta('dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain', 'dino_vits16', [dino, 21_665_664]),
  meta('dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain', 'dino_vitb16', [dino, 85_798_656]),
  meta('dinov2/dinov2_vits14/dinov2_vits14_pretrain', 'dinov2_vits14', [dinov2, 22_056_192]),
  meta('dinov2/dinov2_vitb14/dinov2_vitb14_pretrain', 'dinov2_vitb14', [dinov2, 86_579_712]),
  meta('dinov2/dinov2_vitl14/dinov2_vitl14_pretrain', 'dinov2_vitl14', [dinov2, 304_367_616]),
  meta('dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain', 'dinov2_vits14_reg', [
    dinov2Registers,
    22_057_344,
  ]),
  meta('dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain', 'dinov2_vitb14_reg', [
    dinov2Registers,
    86_582_016,
  ]),
  meta('dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain', 'dinov2_vitl14_reg', [
    dinov2Registers,
    304_370_688,
  ]),
  timm('vit_small_patch16_dinov3.lvd1689m', [dinov3, 21_586_944, 'DINOv3 License'], 'dinov3_vits16'),
  timm('vit_base_patch16_dinov3.lvd1689m', [dinov3, 85_641_216, 'DINOv3 License'], 'dinov3_vitb16'),
  timm('vit_base_patch32_clip_224.openai', [openAI, 87_849_728], 'vit_base_patch32_clip_quickgelu_224'),
  timm('vit_base_patch16_clip_224.openai', [openAI, 86_193_152], 'vit_base_patch16_clip_quickgelu_224'),
  timm('vit_large_patch14_clip_224.openai', [openAI, 303_966_976], 'vit_large_patch14_clip_quickgelu_224'),
  timm('vit_base_patch32_clip_224.laion2b', [laion, 87_849_728]),
  timm('vit_base_patch16_clip_224.laion2b', [laion, 86_193_152]),
  timm('vit_large_patch14_clip_224.datacompxl', [datacomp, 303_966_976]),
  timm('vit_base_patch16_siglip_224.webli', [webli, 92_884_224]),
  timm('vit_base_patch16_siglip_256.webli', [webli, 92_930_304]),
  timm('vit_large_patch16_siglip_256.webli', [webli, 315_956_224]),
  timm('vit_so400m_patch14_siglip_224.webli', [webli, 427_680_704]),
];

/** Returns published weights by their name or by the name of their model. */
export function findPublished(name: string): PublishedWeights | undefined {
  return (
    publishedWeights.find((weights) => weights.name === name) ??
    publishedWeights.find((weights) => weights.model === name)
  );
}
