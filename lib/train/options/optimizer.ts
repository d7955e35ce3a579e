import { decayedParts, type GroupOptions } from '../lane/parameter-groups.ts';
import {
  atLeast0,
  below1,
  count,
  inGroup,
  oneOf,
  orNone,
  positive,
  type RunOption,
  upTo1,
} from './define.ts';
import { maxEpochs } from './epochs.ts';

const optimizer = inGroup('Optimizer');
/** The values of `schedule`. */
export const schedules = ['constant', 'cosine'] as const;

/** Options for the length of training, the learning rate schedule and AdamW. */
export class OptimizerOptions {
  /** Number of epochs. */
  readonly ep: RunOption<number> = optimizer(count(1, maxEpochs), {
    help: 'number of epochs',
    aliases: ['epochs'],
    default: 100,
    datasets: { shapes: 180 },
    published: 'option',
    resume: 'extend',
  });
  /**
   * Number of evaluations without a better Recall@1 after which the run stops early; `null`: never. Recall@1 is
   * measured in the `hyperbolic` space if the geometry has a distance, otherwise in the `cosine` space.
   */
  readonly patience: RunOption<number | null> = optimizer(orNone(count(1)), {
    help: 'number of evaluations without a better Recall@1 after which training stops early, keeping the last weights; None trains for all epochs',
    aliases: ['early_stopping_patience'],
    default: null,
    resume: 'extend',
  });
  /** Peak learning rate. */
  readonly lr: RunOption<number> = optimizer(positive, {
    help: 'peak learning rate',
    aliases: ['learning_rate'],
    default: 1e-5,
    datasets: { shapes: 1e-3 },
    published: 'option',
  });
  /** Learning rate schedule after the warm-up. */
  readonly schedule: RunOption<(typeof schedules)[number]> = optimizer(oneOf(schedules), {
    help: 'learning rate schedule after the warm-up',
    default: 'constant',
    datasets: { shapes: 'cosine' },
    published: 'behavior',
  });
  /** Warm-up steps, over which the learning rate rises linearly from 0. */
  readonly warmup: RunOption<number> = optimizer(count(0), {
    help: 'warm-up steps',
    default: 0,
    datasets: { shapes: 20 },
    published: 'behavior',
  });
  /** Decoupled weight decay. */
  readonly weight_decay: RunOption<number> = optimizer(atLeast0, {
    help: 'decoupled weight decay',
    default: 0.01,
    published: 'behavior',
  });
  /** Parameters with weight decay: `all`, as published; `matrices`: no biases, norms, tokens or position embeddings. */
  readonly decayed: RunOption<GroupOptions['decayed']> = optimizer(oneOf(decayedParts), {
    help: "parameters with weight decay; 'matrices' excludes biases, norms, tokens and position embeddings",
    default: 'all',
    published: 'behavior',
  });
  /** Learning rate of each layer relative to the next layer; 1: the same for all layers. */
  readonly layer_decay: RunOption<number> = optimizer(upTo1, {
    help: 'layer-wise learning rate decay',
    default: 1,
  });
  /** Maximum norm of the gradient over all parameters; `null`: not clipped. */
  readonly clip_grad: RunOption<number | null> = optimizer(orNone(positive), {
    help: 'max gradient norm',
    default: 3,
    published: 'behavior',
  });
  /**
   * Decay per step of the exponential moving average (EMA) of the weights, which replaces them in evaluations and files;
   * `null`: no EMA.
   */
  readonly ema: RunOption<number | null> = optimizer(orNone(below1), {
    help: 'decay of the exponential moving average (EMA) of the weights, which is then evaluated and saved',
    default: null,
  });
}
