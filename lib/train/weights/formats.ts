/** Converts the parameter names of other projects to timm's. */

/** Prefixes of the image tower, in files that also contain a text tower. */
const towers = ['visual.', 'vision_model.', 'vision_encoder.', 'image_encoder.'];

/**
 * Returns the names of the image tower if the file has one, otherwise all names.
 *
 * @param stored - names in the file
 */
export function imageTower(stored: readonly string[]): readonly string[] {
  const inside = (name: string): boolean =>
    towers.some((tower) => name.startsWith(tower) || name.includes(`.${tower}`));
  const image = stored.filter(inside);
  return image.length > 0 ? image : stored;
}

/** Pairs of a pattern and its replacement in timm's form, applied to each name in this order. */
type Rules = readonly (readonly [pattern: RegExp, timm: string])[];

/**
 * Rules for Hugging Face's ViTModel, Dinov2Model, Dinov2WithRegistersModel, DINOv3ViTModel, CLIPVisionModel and
 * SiglipVisionModel.
 */
const huggingFace: Rules = [
  [/^embeddings\.(cls_token|mask_token|class_embedding|register_tokens)$/, '$1'],
  [/^embeddings\.distillation_token$/, 'dist_token'],
  [/^embeddings\.position_embeddings?(\.weight)?$/, 'pos_embed'],
  [/^embeddings\.patch_embeddings?\.(projection\.)?/, 'patch_embed.proj.'],
  [/^(layernorm|post_layernorm)\./, 'norm.'],
  [/^pre_la?yer?norm\./, 'norm_pre.'],
  [/^pre_layrnorm\./, 'norm_pre.'],
  [/^layers?\.(?=\d)/, 'blocks.'],
  [/(?<=^blocks\.\d+\.)(layernorm_before|layer_norm1)\./, 'norm1.'],
  [/(?<=^blocks\.\d+\.)(layernorm_after|layer_norm2)\./, 'norm2.'],
  [/(?<=^blocks\.\d+\.)layer_scale(\d)\.lambda1$/, 'ls$1.gamma'],
  [/(?<=^blocks\.\d+\.)attention\.attention\.(query|key|value)\./, 'attention.$1.'],
  [/(?<=^blocks\.\d+\.)attention\.output\.dense\./, 'attn.proj.'],
  [/(?<=^blocks\.\d+\.)intermediate\.dense\./, 'mlp.fc1.'],
  [/(?<=^blocks\.\d+\.)output\.dense\./, 'mlp.fc2.'],
  [/(?<=^blocks\.\d+\.)(self_attn|attention)\./, 'attn.'],
  [/(?<=^blocks\.\d+\.attn\.)(query|q_proj)\./, 'q_proj.'],
  [/(?<=^blocks\.\d+\.attn\.)(key|k_proj)\./, 'k_proj.'],
  [/(?<=^blocks\.\d+\.attn\.)(value|v_proj)\./, 'v_proj.'],
  [/(?<=^blocks\.\d+\.attn\.)(out_proj|o_proj)\./, 'proj.'],
  [/(?<=^blocks\.\d+\.mlp\.)weights_in\./, 'fc1.'],
  [/(?<=^blocks\.\d+\.mlp\.)weights_out\./, 'fc2.'],
];

/** In Hugging Face's DINOv3 without a gate, up_proj is the first layer of a plain MLP. */
const upAndDown: Rules = [[/(?<=^blocks\.\d+\.mlp\.)up_proj\./, 'fc1.']];

/** Rules for the attention pooling of Hugging Face's SiglipVisionModel. */
const siglipHead: Rules = [
  [/^head\.probe$/, 'attn_pool.latent'],
  [/^head\.attention\.in_proj_/, 'attn_pool.in_proj.'],
  [/^head\.attention\.out_proj\./, 'attn_pool.proj.'],
  [/^head\.layernorm\./, 'attn_pool.norm.'],
  [/^head\.mlp\./, 'attn_pool.mlp.'],
];

/** Rules for OpenAI's CLIP and models with its parameter names. */
const clip: Rules = [
  [/^class_embedding$/, 'cls_token'],
  [/^positional_embedding$/, 'pos_embed'],
  [/^conv1\./, 'patch_embed.proj.'],
  [/^ln_pre\./, 'norm_pre.'],
  [/^ln_post\./, 'norm.'],
  [/^transformer\.resblocks\./, 'blocks.'],
  [/(?<=^blocks\.\d+\.)ln_(\d)\./, 'norm$1.'],
  [/(?<=^blocks\.\d+\.attn\.)in_proj_/, 'qkv.'],
  [/(?<=^blocks\.\d+\.attn\.)out_proj\./, 'proj.'],
  [/(?<=^blocks\.\d+\.mlp\.)c_fc\./, 'fc1.'],
  [/(?<=^blocks\.\d+\.mlp\.)c_proj\./, 'fc2.'],
];

/** Rules for the official releases of DINOv2, DINOv3 and EVA-02. */
const released: Rules = [
  [/^(register_tokens|storage_tokens)$/, 'reg_token'],
  [/(?<=^blocks\.\d+\.mlp\.)w12\./, 'fc1.'],
  [/(?<=^blocks\.\d+\.mlp\.)(w1|gate_proj)\./, 'fc1_g.'],
  [/(?<=^blocks\.\d+\.mlp\.)(w2|up_proj)\./, 'fc1_x.'],
  [/(?<=^blocks\.\d+\.mlp\.)(w3|down_proj)\./, 'fc2.'],
  [/(?<=^blocks\.\d+\.mlp\.)ffn_ln\./, 'norm.'],
  [/(?<=^blocks\.\d+\.attn\.)inner_attn_ln\./, 'norm.'],
];

/** Matches entries of checkpoints that can be recomputed or are only used in pretraining. */
const unused =
  /(^|\.)(mask_token|position_ids|inv_freq|periods|bias_mask)$|^rope_embed\.|^local_cls_norm\.|^pooler\./;

/**
 * Converts names to timm's; the names of tensors that are not needed become `null`.
 *
 * @param plain - all names of the file, without prefixes
 */
export function timmNames(plain: readonly string[]): readonly (string | null)[] {
  const rules = [
    ...(plain.some((name) => name.startsWith('embeddings.')) ? huggingFace : []),
    ...(plain.includes('head.probe') ? siglipHead : []),
    ...(plain.some((name) => name.includes('.gate_proj.')) ? [] : upAndDown),
    ...clip,
    ...released,
  ];
  return plain.map((name) =>
    unused.test(name) ? null : rules.reduce((text, [pattern, timm]) => text.replace(pattern, timm), name),
  );
}
