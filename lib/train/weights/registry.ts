/** Published weights that are known by name. */
export interface PublishedWeights {
  /** The name in timm, or the file's. */
  readonly name: string;
  /** The model, by its name in `vitConfigs`. */
  readonly model: string;
  readonly url: string;
}

const timm = (model: string, tag: string): PublishedWeights => ({
  name: `${model}.${tag}`,
  model,
  url: `https://huggingface.co/timm/${model}.${tag}/resolve/main/model.safetensors`,
});

/** The backbones of the published experiments. */
export const publishedWeights: readonly PublishedWeights[] = [
  timm('vit_small_patch16_224', 'augreg_in21k_ft_in1k'),
  timm('deit_small_distilled_patch16_224', 'fb_in1k'),
  {
    name: 'dino_deitsmall16_pretrain',
    model: 'dino_vits16',
    url: 'https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth',
  },
];

/** The published weights of this name, or those of the model of this name. */
export function findPublished(name: string): PublishedWeights | undefined {
  return (
    publishedWeights.find((weights) => weights.name === name) ??
    publishedWeights.find((weights) => weights.model === name)
  );
}
