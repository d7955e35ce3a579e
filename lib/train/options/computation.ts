import type { Precision } from '../lane/types.ts';
import { count, inGroup, oneOf, orNone, positive, type RunOption, shaped } from './define.ts';

const computation = inGroup('Computation');
const commands = ['eval', 'embed'] as const;

/** Where and how a run computes. */
export class ComputationOptions {
  /** `cpu`, `cuda` or `cuda:N`. */
  readonly device: RunOption<string> = computation(
    shaped((value) => /^(cpu|cuda(:\d{1,3})?)$/.test(value), "'cpu', 'cuda' or 'cuda:N'"),
    { help: 'device', default: 'cpu', resume: 'free', affectsResult: false, commands },
  );
  /** Threads of libtorch; 0: its own default. */
  readonly threads: RunOption<number> = computation(count(0), {
    help: 'threads of libtorch; 0 lets it choose',
    default: 0,
    resume: 'free',
    affectsResult: false,
    commands,
  });
  /** Element type of the backbone's products; weights, geometry and loss stay float32. */
  readonly precision: RunOption<Precision> = computation(oneOf(['float32', 'bfloat16', 'float16']), {
    help: 'precision of the backbone; weights, geometry and loss stay float32',
    default: 'float32',
    commands,
  });
  /** Initial loss scale with float16, which keeps small gradients above zero. */
  readonly loss_scale: RunOption<number> = computation(positive, {
    help: 'initial loss scale with float16',
    default: 65536,
  });
  /** Gradient-caching chunk size in images; `null`: the whole batch, or what fits the memory. */
  readonly chunk: RunOption<number | null> = computation(orNone(count(1)), {
    help: 'gradient-caching chunk size in images; smaller chunks need less memory; None is the whole batch, or what fits on a CPU',
    default: null,
  });
  /** Seed of the weights, the order of the samples and the augmentation. */
  readonly seed: RunOption<number> = computation(count(0), {
    help: 'seed of the weights, the order of the samples and the augmentation',
    default: 42,
    published: 'option',
    commands: ['embed'],
  });
  /** `hypmix`: the published numerical guards, order of clipping and evaluation. */
  readonly compat: RunOption<'none' | 'hypmix'> = computation(oneOf(['none', 'hypmix']), {
    help: 'whether guards, gradient clipping and evaluation are those of horoball (none) or of the published code (hypmix)',
    default: 'none',
    commands: ['eval'],
  });
}
