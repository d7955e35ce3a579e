/** A vision transformer described as timm does: its constructor's names, or the config.json beside published weights. */
import { z } from 'zod';
import { coded } from '../errors.ts';
import type { ViTConfig } from './vit.ts';

const channels = z.tuple([z.number(), z.number(), z.number()]);
const whole = z.int().positive();
const only = <T extends string | number | boolean | null>(...values: T[]) => z.literal(values);

/** timm's arguments; those that this network cannot vary may be given with the value that it has. */
const argumentsSchema = z.strictObject({
  img_size: whole.optional(),
  patch_size: whole.optional(),
  embed_dim: whole.optional(),
  depth: whole.optional(),
  num_heads: whole.optional(),
  mlp_ratio: z.number().positive().optional(),
  qkv_bias: z.boolean().optional(),
  init_values: z.number().nullable().optional(),
  norm_eps: z.number().positive().optional(),
  distilled: z.boolean().optional(),
  mean: channels.optional(),
  std: channels.optional(),
  in_chans: only(3).optional(),
  class_token: only(true).optional(),
  reg_tokens: only(0).optional(),
  pre_norm: only(false).optional(),
  qk_norm: only(false).optional(),
  dynamic_img_size: z.boolean().optional(),
  global_pool: only('token', '').optional(),
  num_classes: z.number().optional(),
  architecture: z.string().optional(),
});

/** What Hugging Face keeps beside timm's weights. */
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
 * Reads such a description. What it leaves out is that of its `architecture`, if it has one that is known.
 *
 * @param text - JSON
 * @param known - a known backbone's configuration
 * @throws `ERR_HOROBALL_OPTION` naming what is not understood
 */
export function parseViT(text: string, known: (name: string) => ViTConfig): ViTConfig {
  const given = argumentsOf(json(text));
  const result = argumentsSchema.safeParse(given);
  if (!result.success) throw refused(issueText(result.error.issues[0]!));
  const { architecture } = result.data;
  const base = architecture === undefined ? undefined : known(architecture);
  const merged = { ...base, ...ours(result.data) };
  for (const [key, name] of required) {
    if (merged[key] === undefined) throw refused(`${name} is missing`);
  }
  return { mean: half, std: half, ...merged } as ViTConfig;
}

const half = [0.5, 0.5, 0.5] as const;

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
  distilled: 'distilled',
  mean: 'mean',
  std: 'std',
} as const satisfies Record<string, keyof ViTConfig>;

const required = [
  ['imgSize', 'img_size'],
  ['patchSize', 'patch_size'],
  ['embedDim', 'embed_dim'],
  ['depth', 'depth'],
  ['numHeads', 'num_heads'],
] as const;

function ours(given: z.infer<typeof argumentsSchema>): Partial<ViTConfig> {
  const pairs = Object.entries(names).map(([theirs, mine]) => [mine, given[theirs as keyof typeof names]]);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) as Partial<ViTConfig>;
}

/** The arguments in either kind of description. */
function argumentsOf(value: unknown): unknown {
  const published = publishedSchema.safeParse(value);
  if (!published.success) return value;
  const { architecture, pretrained_cfg, model_args = {} } = published.data;
  const { input_size, mean, std } = pretrained_cfg;
  return {
    architecture: architecture.split('.', 1)[0]!,
    ...(input_size && { img_size: input_size[1] }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...model_args,
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw Object.assign(refused('it is not JSON'), { cause });
  }
}

function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `${issue.keys[0]} is not known; there are ${Object.keys(argumentsSchema.shape).join(', ')}`;
  }
  return `${issue.path.join('.') || 'the description'}: ${issue.message}`;
}

function refused(why: string): RangeError {
  return coded(
    'ERR_HOROBALL_OPTION',
    `[vit] model: expected a description as timm has it: ${why}`,
    RangeError,
  );
}
