import { type BatchLoss, batchLosses, lossesWith, similarityNumbersOf } from '../../batch-loss.ts';
import { logitDefaults } from '../../card-names.ts';
import { type Reduction, reductions } from '../../loss-types.ts';
import {
  above1,
  atLeast0,
  count,
  geometriesWith,
  inGroup,
  type LearnableOption,
  listOf,
  oneOf,
  orNone,
  positive,
  type RunOption,
  real,
  type TemperatureOption,
  type TrainedGeometry,
  trainedGeometries,
} from './define.ts';

const loss = inGroup('Loss');
const learnable = true;
const { alpha, margin, base } = similarityNumbersOf('proxy-anchor');
/** Metadata of options that only Proxy-Anchor has. */
const ofProxyAnchor = { losses: lossesWith('oneScale') } as const;

/** Metadata of the options that scale the logits: `eval` accepts them, and the table of a study always shows them. */
const evaluated = { commands: ['eval'], studyColumn: true } as const;

/** Options for the contrastive loss. */
export class LossRunOptions {
  /**
   * Loss of a batch. `views`, as published, is the cross entropy over all ordered pairs of views; other losses are
   * means over their terms.
   */
  readonly loss: RunOption<BatchLoss> = loss(oneOf(batchLosses), {
    help: "loss of a batch; 'views' is the cross entropy over all ordered pairs of views (view i is the i-th image of every class in the batch), as in the published code; 'supcon-in' is SupCon with the mean over the positives inside the logarithm; 'proxy-anchor' and 'proxy-nca' train a proxy per class",
    default: 'views',
    studyColumn: true,
  });
  /** Geometry of the logits. */
  readonly geometry: RunOption<TrainedGeometry> = loss(oneOf(trainedGeometries), {
    help: 'geometry of the logits; euclidean uses the cosine similarity, hyperbolic the distance in the ball, hybrid both (weighted by lam), and chordal the straight-line distance, a control without curvature',
    default: 'hybrid',
    heads: { 'hyp-vit': 'hyperbolic' },
    published: 'behavior',
    studyColumn: true,
  });
  /** Value of each temperature (`t_e`, `t_h`) that is not given. */
  readonly t: RunOption<number | null> = loss(orNone(positive), {
    help: 'default of both temperatures, t_e and t_h',
    aliases: ['temperature'],
    default: null,
    role: 'temperature',
    sets: ['t_e', 't_h'],
    geometries: [],
  });
  /** Temperature of the cosine similarity. */
  readonly t_e: TemperatureOption = {
    ...loss(positive, {
      help: 'temperature of the cosine similarity',
      default: logitDefaults.tauE,
      heads: { 'hyp-vit': 0.2 },
      published: 'option',
      geometries: geometriesWith('inner'),
      ...evaluated,
    }),
    role: 'temperature',
    learnable,
  };
  /** Temperature of the hyperbolic distance. */
  readonly t_h: TemperatureOption = {
    ...loss(positive, {
      help: 'temperature of the hyperbolic distance',
      default: logitDefaults.tauH,
      published: 'option',
      geometries: geometriesWith('distance'),
      ...evaluated,
    }),
    role: 'temperature',
    learnable,
  };
  /** Weight of the hyperbolic term in the hybrid logit. */
  readonly lam: RunOption<number> = loss(atLeast0, {
    help: 'weight of the hyperbolic term in the hybrid logit',
    default: logitDefaults.lambda,
    published: 'option',
    geometries: geometriesWith('weighted'),
    ...evaluated,
  });
  /** c of the ball (curvature -c); 0 is allowed only with head `hyp-vit`, and selects geometry `euclidean`. */
  readonly hyp_c: LearnableOption = {
    ...loss(atLeast0, {
      help: 'c of the ball (curvature -c); 0 is allowed only with head hyp-vit and selects geometry euclidean (cosine similarity with temperature t_e)',
      default: logitDefaults.c,
      published: 'option',
      geometries: geometriesWith('distance'),
      network: true,
      commands: ['embed'],
      studyColumn: true,
    }),
    role: 'curvature',
    learnable,
  };
  /** Strength of the hard-negative weighting in the Euclidean loss (Robinson et al. 2021); 0: the plain loss. */
  readonly beta: RunOption<number> = loss(atLeast0, {
    help: 'strength of the hard-negative weighting in the Euclidean loss over views; 0 is the plain loss',
    default: 0,
    geometries: geometriesWith('distance', false),
    losses: ['views'],
  });
  /** Scale of the Proxy-Anchor loss. */
  readonly alpha: RunOption<number> = loss(positive, {
    help: "scale (alpha) of the loss 'proxy-anchor', applied in addition to the division of the logits by their temperature",
    default: alpha,
    ...ofProxyAnchor,
  });
  /** Margin of the Proxy-Anchor loss. */
  readonly mrg: RunOption<number> = loss(real, {
    help: "margin of the loss 'proxy-anchor'",
    aliases: ['margin'],
    default: margin,
    ...ofProxyAnchor,
  });
  /** Logit at the center of the margin of the Proxy-Anchor loss. */
  readonly base: RunOption<number> = loss(real, {
    help: 'logit at the center of the margin of proxy-anchor; use a negative value if the logit is a negative distance',
    default: base,
    ...ofProxyAnchor,
  });
  /** Peak learning rate of the proxies, subject to the schedule. `null`: 100 times `lr`. */
  readonly proxy_lr: RunOption<number | null> = loss(orNone(positive), {
    help: 'peak learning rate of the proxies; None is 100 times lr',
    default: null,
    losses: lossesWith('proxies'),
  });
  /** `sum`, as published, adds the losses of the ordered pairs of views; `mean` averages them. */
  readonly reduction: RunOption<Reduction> = loss(oneOf(reductions), {
    help: "reduction of the losses of all ordered pairs of views; applies to the loss 'views'",
    default: 'sum',
    published: 'behavior',
    losses: ['views'],
  });
  /** Number of classes from earlier batches that are used as additional negatives; 0 disables the memory. */
  readonly memory: RunOption<number> = loss(count(0), {
    help: 'number of classes from earlier batches that serve as additional negatives (cross-batch memory)',
    default: 0,
  });
  /** Learnable scalars among `t_e`, `t_h` and `hyp_c`, separated by commas; `null`: no learnable scalars. */
  readonly learn: RunOption<string | null> = loss(orNone(listOf(namesIn(this, 'learnable'))), {
    help: 'learnable scalars of the loss',
    default: null,
  });
  /** Peak learning rate of the logarithms of the learnable scalars, subject to the schedule. */
  readonly learn_lr: RunOption<number> = loss(positive, {
    help: 'peak learning rate of the logarithms of the learnable scalars',
    default: 0.01,
  });
  /** Largest factor by which a learnable scalar may differ from its initial value. */
  readonly learn_range: RunOption<number> = loss(above1, {
    help: 'largest factor by which a learnable scalar may differ from its initial value',
    default: 10,
  });
}

/** Returns the names of the options defined so far whose record has the given field. */
function namesIn(options: object, fact: keyof RunOption): string[] {
  return Object.entries(options)
    .filter(([, option]) => (option as Partial<RunOption>)[fact] !== undefined)
    .map(([name]) => name);
}
