/** The commands that HypMix and Hyp-ViT were published with, as presets. */
import { coded } from '../errors.ts';
import type { RunConfig } from './config.ts';

/** A published run. */
export interface Recipe {
  name: string;
  paper: 'HypMix' | 'Hyp-ViT';
  /** What its command says; everything else has its default. */
  options: Readonly<Partial<RunConfig>>;
  /** Recall@1 on the test classes in percent, where it was published for this backbone. */
  recallAt1: number | null;
}

const models = {
  vit: 'vit_small_patch16_224',
  dino: 'dino_vits16',
  deit: 'deit_small_distilled_patch16_224',
} as const;

type Short = keyof typeof models;

/** Per data set: what the commands say, and the published Recall@1 by backbone. */
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
    },
    recallAt1: null,
  },
  ...Object.entries(hypVit).flatMap(([ds, [options, recalls]]) =>
    (Object.keys(models) as Short[]).map((short): Recipe => {
      const lr = short === 'dino' ? 1e-5 : 3e-5;
      return {
        name: `hypvit-${ds.toLowerCase()}-${short}`,
        paper: 'Hyp-ViT',
        options: { ds, model: models[short], head: 'hyp-vit', lr, ...options },
        recallAt1: recalls[short] ?? null,
      };
    }),
  ),
];

/** In what the published code differs from the clean way, which is the default here; `--compat hypmix` follows it. */
export const deviations: readonly string[] = [
  'It clips the gradient before a scaler has brought it back to size, so that its steps are smaller than it says; --compat hypmix does so too with --precision float16.',
  "It measures the hyperbolic distance of the Euclidean unit vectors, never that of the head's hyperbolic output: the same ranking as the cosine while c is well below 1, and nothing from about 0.9 on.",
  'It adds 1e-5 to denominators and clamps artanh at 1 - 1e-5: distances end at 12.206 / sqrt(c).',
  'It trains the class token of a distilled DeiT alone and evaluates its mean with the distillation token.',
  'It drops the first neighbour as the query itself without looking; here a query is left out by identity, and ties go to the lower row.',
  'Across several GPUs its evaluation counts padding pictures twice, which raises the recall.',
  'Its --clip_r 0 multiplies features by 0; here --clip_r None takes the clipping away. In HypMix the clipping never acts, because the features have length 1.',
  'Its --hyp_c 0 ends HypMix with an error; with --head hyp-vit it is the sphere here, as in Hyp-ViT.',
  'It computes in half precision; here that is --precision float16 or bfloat16.',
];

/**
 * @param asked - how errors call the name
 * @throws `ERR_HOROBALL_OPTION` for a name that is none of theirs
 */
export function findRecipe(name: string, asked: string = '[train] recipe'): Recipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found !== undefined) return found;
  const names = recipes.map((recipe) => recipe.name).join(', ');
  throw coded('ERR_HOROBALL_OPTION', `${asked}: expected one of ${names}, got '${name}'`, RangeError);
}

/** The command of a recipe, for people to copy. */
export function commandOf({ options }: Recipe): string {
  const flags = Object.entries(options).map(([key, value]) => `--${key} ${shown(value)}`);
  return ['horoball train --path DATA', ...flags].join(' ');
}

function shown(value: unknown): string {
  const text = typeof value === 'number' && value < 1e-3 ? value.toExponential() : String(value);
  return /^[\w.-]+$/.test(text) ? text : `"${text}"`;
}
