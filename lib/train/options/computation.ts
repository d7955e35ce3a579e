import { mostThreads } from '../../check.ts';
import { type Precision, precisions } from '../lane/types.ts';
import { count, inGroup, lossScale, oneOf, orNone, type RunOption, shaped, withSynonyms } from './define.ts';

const computation = inGroup('Computation');
const commands = ['eval', 'embed', 'search'] as const;
/** The values of `compat`. */
export const compatModes = ['none', 'hypmix'] as const;
const shortPrecisions = { fp32: 'float32', bf16: 'bfloat16', fp16: 'float16' } as const;

/** Options for device, threads, precision, gradient caching and seed. */
export class ComputationOptions {
  /** `cpu`, `cuda`, `cuda:N`, or `auto` for `cuda` if libtorch can use a GPU, otherwise `cpu`. */
  readonly device: RunOption<string> = computation(
    shaped((value) => /^(auto|cpu|cuda(:\d{1,3})?)$/.test(value), "'cpu', 'cuda', 'cuda:N' or 'auto'"),
    {
      help: 'device; auto is cuda if libtorch can use a GPU, otherwise cpu',
      default: 'cpu',
      resume: 'free',
      affectsResult: false,
      commands,
    },
  );
  /** Number of libtorch threads; 0: the default of libtorch. */
  readonly threads: RunOption<number> = computation(count(0, mostThreads), {
    help: 'number of libtorch threads; 0 is the default of libtorch',
    default: 0,
    resume: 'free',
    affectsResult: false,
    commands,
  });
  /** Element type of the backbone's matrix products; weights, geometry and loss stay float32. */
  readonly precision: RunOption<Precision> = computation(withSynonyms(oneOf(precisions), shortPrecisions), {
    help: 'precision of the backbone; weights, geometry and loss stay float32',
    default: 'float32',
    commands,
  });
  /** Initial loss scale with float16; scaling keeps small gradients from underflowing. */
  readonly loss_scale: RunOption<number> = computation(lossScale, {
    help: 'initial loss scale with float16',
    default: 65536,
  });
  /** Gradient-caching chunk size in images; `null`: the whole batch or, on a CPU, a chunk size that fits in memory. */
  readonly chunk: RunOption<number | null> = computation(orNone(count(1)), {
    help: 'gradient-caching chunk size in images; smaller chunks need less memory; None is the whole batch or, on a CPU, a chunk size that fits in memory',
    default: null,
  });
  /** Random seed of weight initialization, sample order and augmentation. */
  readonly seed: RunOption<number> = computation(count(0), {
    help: 'random seed of weight initialization, sample order and augmentation',
    helpWithoutTraining: 'random seed of the initial weights of parameters that are not loaded',
    default: 42,
    published: 'option',
    commands: ['embed'],
  });
  /** `hypmix`: numerical guards, gradient clipping and evaluation as in the published code. */
  readonly compat: RunOption<(typeof compatModes)[number]> = computation(oneOf(compatModes), {
    help: 'numerical guards, gradient clipping and evaluation of horoball (none) or of the published code (hypmix)',
    default: 'none',
    commands: ['eval'],
  });
}
