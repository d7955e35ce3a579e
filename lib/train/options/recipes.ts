/** Presets: the published commands of HypMix and Hyp-ViT, the Proxy-Anchor loss on CUB, and settings for `emoji`. */
import { coded } from '../../errors.ts';
import { shellWord } from '../../io/shell.ts';
import type { RunConfig } from './options.ts';

/** A named set of run options. */
export interface Recipe {
  name: string;
  /** The paper with the settings; null if they are not from a paper. */
  paper: 'HypMix' | 'Hyp-ViT' | null;
  /** The options of the command; all others have their defaults. */
  options: Readonly<Partial<RunConfig>>;
  /** Published Recall@1 on the test classes in percent; `null` if none was published for this backbone. */
  recallAt1: number | null;
  /** The source of settings that are not from a paper: one or two sentences. */
  note?: string;
}

const models = {
  vit: 'vit_small_patch16_224',
  dino: 'dino_vits16',
  deit: 'deit_small_distilled_patch16_224',
} as const;

type Short = keyof typeof models;

/** For each data set, the options of the published commands, and the published Recall@1 by backbone. */
const hypVit: Readonly<Record<string, [Partial<RunConfig>, Partial<Record<Short, number>>]>> = {
  CUB: [
    { num_samples: 9, ep: 50, eval_ep: '[50]', resize: 256 },
    { vit: 85.6, dino: 80.9 },
  ],
  Cars: [
    { num_samples: 9, bs: 882, ep: 300, eval_ep: '[300]' },
    { vit: 86.5, dino: 89.2 },
  ],
  SOP: [
    { ep: 200, eval_ep: '[200]' },
    { vit: 85.9, dino: 85.1 },
  ],
  Inshop: [
    { ep: 400, eval_ep: '[400]' },
    { vit: 92.5, dino: 92.4 },
  ],
};

export const recipes: readonly Recipe[] = [
  {
    name: 'hypmix-cub-vit',
    paper: 'HypMix',
    options: {
      ds: 'CUB',
      model: models.vit,
      num_samples: 9,
      lr: 3e-5,
      ep: 50,
      eval_ep: '[50]',
      resize: 256,
      seed: 42,
      hyp_c: 0.1,
      t_e: 0.05,
      t_h: 0.2,
      lam: 3,
      background: 'drop',
    },
    recallAt1: null,
  },
  ...Object.entries(hypVit).flatMap(([ds, [options, recalls]]) =>
    (Object.keys(models) as Short[]).map((short): Recipe => {
      const lr = short === 'dino' ? 1e-5 : 3e-5;
      return {
        name: `hypvit-${ds.toLowerCase()}-${short}`,
        paper: 'Hyp-ViT',
        options: { ds, model: models[short], head: 'hyp-vit', lr, background: 'drop', ...options },
        recallAt1: recalls[short] ?? null,
      };
    }),
  ),
  {
    // Adapted from proxy_anchor/train.py, which trains convolutional networks, samples images at random, and halves the
    // learning rate every 10 epochs; none of these is possible here.
    name: 'proxy-anchor-cub-vit',
    paper: null,
    note: 'These settings are adapted from the published code of Proxy-Anchor, which trains other backbones; no Recall@1 was published for this one.',
    options: {
      ds: 'CUB',
      model: models.vit,
      loss: 'proxy-anchor',
      geometry: 'euclidean',
      t_e: 1,
      alpha: 32,
      mrg: 0.1,
      num_samples: 2,
      bs: 150,
      emb: 512,
      lr: 1e-4,
      proxy_lr: 1e-2,
      weight_decay: 1e-4,
      ep: 60,
      seed: 1,
      resize: 256,
      background: 'drop',
    },
    recallAt1: null,
  },
  {
    name: 'emoji',
    paper: null,
    note: 'These settings are sized for about half an hour on two CPU cores; they are not from a paper.',
    options: {
      ds: 'emoji',
      model: 'vit_nano_32',
      weights: null,
      freeze: null,
      num_samples: 4,
      bs: 128,
      lr: 6e-4,
      ep: 150,
      eval_ep: 'r(0,151,15)',
      resize: 32,
      crop: 32,
      crop_scale: 0.5,
      schedule: 'cosine',
      warmup: 40,
      weight_decay: 0.05,
      decayed: 'matrices',
      cache: 'memory',
      baselines: true,
    },
    recallAt1: null,
  },
];

/**
 * How the published code differs from the defaults of horoball. `--compat hypmix` follows it in numerical guards, gradient
 * clipping and evaluation.
 */
export const deviations: readonly string[] = [
  'It clips the gradient before unscaling it, so its steps are smaller than intended; --compat hypmix with --precision float16 does the same.',
  "It evaluates the hyperbolic distance between the Euclidean unit vectors, never between the head's hyperbolic outputs: the ranking equals that of the cosine similarity while c is well below 1, and is meaningless for c above about 0.9.",
  'It adds 1e-5 to denominators and clamps the argument of artanh to 1 - 1e-5, so distances saturate at 12.206 / sqrt(c).',
  'For a distilled DeiT, it trains on the class token alone but evaluates the mean of the class and distillation tokens.',
  'It discards the first neighbor, which it assumes to be the query; here the query is excluded by its index, and ties go to the lower index.',
  'On several GPUs, its sampler repeats some images so that each GPU gets the same number; its evaluation includes the duplicates, which raises the recall.',
  'Its --clip_r 0 multiplies features by 0; here, --clip_r None turns clipping off. In HypMix, clipping has no effect, because the features have norm 1.',
  'With --hyp_c 0, HypMix fails; here, --hyp_c 0 with --head hyp-vit selects the cosine similarity, as in Hyp-ViT.',
  'It trains in half precision; here, use --precision float16 or bfloat16.',
];

/**
 * Returns the recipe with this name.
 * @param argument - name of the argument, for errors
 * @throws `ERR_HOROBALL_OPTION` for an unknown name
 */
export function findRecipe(name: string, argument: string = '[train] recipe'): Recipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found !== undefined) return found;
  const names = recipes.map((recipe) => recipe.name).join(', ');
  throw coded(
    'ERR_HOROBALL_OPTION',
    `${argument}: expected one of ${names}, got '${name}'. \`npx horoball recipes\` describes them.`,
    RangeError,
  );
}

/** Returns the command line of a recipe. */
export function commandOf({ options }: Recipe): string {
  const flags = Object.entries(options).map(([key, value]) =>
    value === true ? `--${key}` : `--${key} ${shown(value)}`,
  );
  return [options.ds === 'emoji' ? 'npx horoball train' : 'npx horoball train --path DATA', ...flags].join(
    ' ',
  );
}

function shown(value: unknown): string {
  const text = typeof value === 'number' && value < 1e-3 ? value.toExponential() : String(value ?? 'None');
  return text.startsWith('{') ? shellWord(text) : /^[\w.-]+$/.test(text) ? text : `"${text}"`;
}
