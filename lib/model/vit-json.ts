/** Reads timm's descriptions of vision transformers: constructor arguments, or the config.json of published weights. */
import { z } from 'zod';
import { type Coded, coded } from '../errors.ts';
import { boundedJson } from '../io/json.ts';
import type { ViTConfig } from './types.ts';

const channels = z.tuple([z.number(), z.number(), z.number()]);
const whole = z.int().positive();
const count = z.int().min(0);
const only = <T extends string | number | boolean | null>(...values: T[]) => z.literal(values);
/** One number for both sides, or height and width. */
const size = z.union([whole, z.tuple([whole, whole])]);
const square = z.union([
  whole,
  z
    .tuple([whole, whole])
    .refine(([h, w]) => h === w)
    .transform(([h]) => h),
]);
const dropout = only(0);

/** Arguments that timm's classes share. An unsupported argument may only have the value that has no effect. */
const sharedSchema = z.strictObject({
  img_size: size.optional(),
  patch_size: square.optional(),
  embed_dim: whole.optional(),
  depth: whole.optional(),
  num_heads: whole.optional(),
  mlp_ratio: z.number().positive().optional(),
  qkv_bias: z.boolean().optional(),
  init_values: z.number().nullable().optional(),
  norm_eps: z.number().positive().optional(),
  norm_layer: only('layernorm', 'rmsnorm').optional(),
  mean: channels.optional(),
  std: channels.optional(),
  in_chans: only(3).optional(),
  class_token: z.boolean().optional(),
  no_embed_class: z.boolean().optional(),
  global_pool: only('', 'token', 'avg', 'map').optional(),
  dynamic_img_size: z.boolean().optional(),
  num_classes: z.number().optional(),
  architecture: z.string().optional(),
  drop_rate: dropout.optional(),
  pos_drop_rate: dropout.optional(),
  patch_drop_rate: dropout.optional(),
  proj_drop_rate: dropout.optional(),
  attn_drop_rate: dropout.optional(),
  drop_path_rate: dropout.optional(),
});

/** Arguments of VisionTransformer and VisionTransformerDistilled only. */
const vitSchema = z.strictObject({
  distilled: z.boolean().optional(),
  reg_tokens: count.optional(),
  pos_embed: only('learn', 'none', '').optional(),
  qk_norm: z.boolean().optional(),
  scale_attn_norm: z.boolean().optional(),
  scale_mlp_norm: z.boolean().optional(),
  proj_bias: only(true).optional(),
  pre_norm: z.boolean().optional(),
  final_norm: z.boolean().optional(),
  fc_norm: z.boolean().nullable().optional(),
  pool_include_prefix: z.boolean().optional(),
  act_layer: only('gelu', 'gelu_tanh', 'quick_gelu', 'silu').optional(),
  mlp_layer: only('mlp', 'swiglu', 'swiglu_packed').optional(),
});

/** Arguments of Eva only. */
const evaSchema = z.strictObject({
  qkv_fused: z.boolean().optional(),
  swiglu_mlp: z.boolean().optional(),
  swiglu_align_to: count.optional(),
  scale_mlp: z.boolean().optional(),
  scale_attn_inner: z.boolean().optional(),
  attn_type: only('eva', 'rope').optional(),
  num_reg_tokens: count.optional(),
  use_abs_pos_emb: z.boolean().optional(),
  use_rot_pos_emb: z.boolean().optional(),
  rope_type: only('cat', 'mixed', 'dinov3').optional(),
  rope_grid_offset: z.number().optional(),
  rope_grid_indexing: only('ij', 'xy').optional(),
  rope_temperature: z.number().positive().optional(),
  rope_rotate_half: z.boolean().optional(),
  use_post_norm: only(false).optional(),
  use_pre_transformer_norm: z.boolean().optional(),
  use_post_transformer_norm: z.boolean().nullable().optional(),
  use_fc_norm: z.boolean().nullable().optional(),
  attn_pool_num_heads: whole.nullable().optional(),
  attn_pool_mlp_ratio: z.number().positive().nullable().optional(),
  ref_feat_shape: size.nullable().optional(),
});

const argumentsSchema = z.strictObject({ ...sharedSchema.shape, ...vitSchema.shape, ...evaSchema.shape });
type Arguments = z.infer<typeof argumentsSchema>;

/** The config.json that Hugging Face stores with timm's weights. */
const publishedSchema = z.looseObject({
  architecture: z.string(),
  pretrained_cfg: z.looseObject({
    input_size: z.tuple([z.number(), whole, whole]).optional(),
    mean: channels.optional(),
    std: channels.optional(),
  }),
  model_args: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Parses the description of a vision transformer. If it has an `architecture`, missing arguments are taken from that
 * backbone.
 *
 * @param text - the JSON text
 * @param known - returns the configuration of a backbone by its name; throws if the name is unknown
 * @throws `ERR_HOROBALL_OPTION` naming the invalid field
 */
export function parseViT(text: string, known: (name: string) => ViTConfig): ViTConfig {
  const given = argumentsOf(json(text));
  const result = argumentsSchema.safeParse(given);
  if (!result.success) throw refused(issueText(result.error.issues[0]!));
  const { architecture } = result.data;
  const base = architecture === undefined ? undefined : known(architecture);
  checkClass(result.data, base);
  const merged = { ...base, ...toViTConfig(result.data) };
  for (const [key, name] of required) {
    if (merged[key] === undefined) throw refused(`${name} is missing`);
  }
  return { mean: half, std: half, ...merged } as ViTConfig;
}

const half = [0.5, 0.5, 0.5] as const;

/** The option of `ViTConfig` for each argument whose value is used unchanged. */
const names = {
  img_size: 'imgSize',
  patch_size: 'patchSize',
  embed_dim: 'embedDim',
  depth: 'depth',
  num_heads: 'numHeads',
  mlp_ratio: 'mlpRatio',
  qkv_bias: 'qkvBias',
  init_values: 'initValues',
  norm_eps: 'normEps',
  norm_layer: 'normLayer',
  mean: 'mean',
  std: 'std',
  class_token: 'classToken',
  no_embed_class: 'noEmbedClass',
  distilled: 'distilled',
  reg_tokens: 'regTokens',
  num_reg_tokens: 'regTokens',
  qk_norm: 'qkNorm',
  scale_attn_norm: 'scaleAttnNorm',
  scale_attn_inner: 'scaleAttnNorm',
  scale_mlp_norm: 'scaleMlpNorm',
  scale_mlp: 'scaleMlpNorm',
  pre_norm: 'preNorm',
  use_pre_transformer_norm: 'preNorm',
  pool_include_prefix: 'poolIncludePrefix',
  act_layer: 'actLayer',
  mlp_layer: 'mlpLayer',
  swiglu_align_to: 'mlpAlign',
  qkv_fused: 'qkvFused',
  attn_type: 'attnType',
  use_abs_pos_emb: 'posEmbed',
  rope_grid_offset: 'ropeGridOffset',
  rope_grid_indexing: 'ropeGridIndexing',
  rope_temperature: 'ropeTemperature',
  rope_rotate_half: 'ropeRotateHalf',
  ref_feat_shape: 'refFeatShape',
} as const satisfies Partial<Record<keyof Arguments, keyof ViTConfig>>;

const required = [
  ['imgSize', 'img_size'],
  ['patchSize', 'patch_size'],
  ['embedDim', 'embed_dim'],
  ['depth', 'depth'],
  ['numHeads', 'num_heads'],
] as const;

/** Rejects arguments of one class in a description of the other. */
function checkClass(given: Arguments, base: ViTConfig | undefined): void {
  const ofEva = Object.keys(given).find((key) => key in evaSchema.shape);
  const ofViT = Object.keys(given).find((key) => key in vitSchema.shape);
  const eva = base === undefined ? ofEva !== undefined : base.family === 'eva';
  if (ofViT !== undefined && eva)
    throw refused(`${ofViT} is an argument of VisionTransformer, but the model is an Eva`);
  if (ofEva !== undefined && !eva)
    throw refused(`${ofEva} is an argument of Eva, but the model is a VisionTransformer`);
}

function toViTConfig(given: Arguments): Partial<ViTConfig> {
  const pairs = Object.entries(names).map(([theirs, mine]) => [mine, given[theirs as keyof typeof names]]);
  const eva = Object.keys(given).some((key) => key in evaSchema.shape);
  return defined({
    ...Object.fromEntries(pairs.filter(([, value]) => value !== undefined)),
    ...(eva ? evaOnly(given) : vitOnly(given)),
    // An empty `global_pool` means no pooling; the feature is then the class token.
    globalPool: given.global_pool === '' ? 'token' : given.global_pool,
  });
}

function vitOnly({ pos_embed, fc_norm, final_norm, mlp_layer, act_layer }: Arguments): Partial<ViTConfig> {
  const norms = fc_norm === undefined || fc_norm === null ? {} : { fcNorm: fc_norm, finalNorm: !fc_norm };
  return defined({
    posEmbed: pos_embed === undefined ? undefined : pos_embed === 'learn',
    ...norms,
    ...(final_norm === false && { fcNorm: false, finalNorm: false }),
    // timm's VisionTransformer uses GELU in gated layers too; the default here is SiLU.
    actLayer: act_layer ?? (mlp_layer === undefined ? undefined : 'gelu'),
  });
}

function evaOnly(given: Arguments): Partial<ViTConfig> {
  const { swiglu_mlp, scale_mlp, swiglu_align_to, use_rot_pos_emb, rope_type } = given;
  const split = scale_mlp || (swiglu_align_to ?? 0) > 0;
  const gated = split ? 'swiglu' : 'swiglu_packed';
  return defined({
    family: 'eva',
    mlpLayer: swiglu_mlp === undefined ? undefined : swiglu_mlp ? gated : 'mlp',
    ropeType: use_rot_pos_emb === false ? 'none' : (rope_type ?? (use_rot_pos_emb ? 'cat' : undefined)),
    fcNorm: given.use_fc_norm ?? undefined,
    finalNorm: given.use_post_transformer_norm ?? undefined,
    attnPoolNumHeads: given.attn_pool_num_heads ?? undefined,
    attnPoolMlpRatio: given.attn_pool_mlp_ratio ?? undefined,
  });
}

/** Omits undefined properties, which would override the properties of a base. */
function defined(config: { [K in keyof ViTConfig]?: ViTConfig[K] | undefined }): Partial<ViTConfig> {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== undefined),
  ) as Partial<ViTConfig>;
}

/** Returns the constructor arguments of either form of description. */
function argumentsOf(value: unknown): unknown {
  const published = publishedSchema.safeParse(value);
  if (!published.success) return value;
  const { architecture, pretrained_cfg, model_args = {} } = published.data;
  const { input_size, mean, std } = pretrained_cfg;
  return {
    architecture: architecture.split('.', 1)[0]!,
    ...(input_size && { img_size: input_size[1] === input_size[2] ? input_size[1] : input_size.slice(1) }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...model_args,
  };
}

/** Maximum number of JSON values in a description, which has a few dozen. */
const maxValues = 10_000;

function json(text: string): unknown {
  return boundedJson(text, maxValues, (why) => refused(`it ${why}`));
}

function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `${issue.keys[0]!.slice(0, 80)} is not a known argument; expected one of ${Object.keys(argumentsSchema.shape).join(', ')}`;
  }
  return `${issue.path.join('.') || 'the description'}: ${issue.message}`;
}

function refused(why: string): Coded<RangeError> {
  return coded(
    'ERR_HOROBALL_OPTION',
    `[vit] model: expected the arguments of a timm model: ${why}`,
    RangeError,
  );
}
