import {
  atLeastZero,
  checkObject,
  checkOptions,
  choice,
  finite,
  integer,
  itemsOf,
  positive,
  readOptions,
} from '../../check.ts';
import { coded, describe, quoted, rangeError, typeError } from '../../errors.ts';
import { type Learnable, learnable } from '../options/options.ts';

/** Options of {@link LearnableScalars}. */
export interface LearnableOptions {
  /** Names of the learnable scalars; the others are constant. */
  names: readonly Learnable[];
  /** Initial values, above 0. */
  initial: Readonly<Record<Learnable, number>>;
  /** Largest factor by which a value may differ from its initial value, above 1. */
  range: number;
}

/** State of one scalar: log offset from the initial value, and Adam's moments. */
interface ScalarState {
  offset: number;
  first: number;
  second: number;
}

/** Serializable state of {@link LearnableScalars}. */
export interface LearnableState {
  steps: number;
  places: Partial<Record<Learnable, ScalarState>>;
}

const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];

/**
 * Learnable temperatures and curvature: `value = initial exp(offset)`, so values are positive and start exactly at their
 * initial values. Adam (Kingma & Ba 2015, arXiv 1412.6980) without weight decay updates the offsets, which are clamped to
 * `[-log range, log range]`.
 */
export class LearnableScalars {
  readonly #initial: LearnableOptions['initial'];
  readonly #limit: number;
  readonly #scalars: Map<Learnable, ScalarState>;
  #steps = 0;

  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: LearnableOptions) {
    const { names, initial, range } = readOptions('learnableScalars', options, ['names', 'initial', 'range']);
    if (!Array.isArray(names)) throw typeError('learnableScalars', 'names', 'a list of names', quoted(names));
    this.#scalars = new Map();
    for (const name of itemsOf('learnableScalars', 'names', 'a list of names', names)) {
      choice('learnableScalars', 'names', name, learnable);
      this.#scalars.set(name, { offset: 0, first: 0, second: 0 });
    }
    const given = checkObject('learnableScalars', initial, 'initial');
    const values = learnable.map((name) => [name, positive('learnableScalars', name, given[name])] as const);
    if (!(positive('learnableScalars', 'range', range) > 1))
      throw rangeError('learnableScalars', 'range', 'a number above 1', range);
    this.#initial = Object.fromEntries(values) as LearnableOptions['initial'];
    this.#limit = Math.log(range);
  }

  /** Whether any scalar is learnable. */
  get any(): boolean {
    return this.#scalars.size > 0;
  }

  /** Whether a scalar is learnable. */
  has(name: Learnable): boolean {
    return this.#scalars.has(name);
  }

  /** Returns the current value of a scalar; the initial one if it is not learnable. */
  value(name: Learnable): number {
    choice('learnableScalars.value', 'name', name, learnable);
    return this.#initial[name] * Math.exp(this.#scalars.get(name)?.offset ?? 0);
  }

  /**
   * Takes one step of Adam.
   *
   * @param gradients - with respect to the values, not their logarithms
   */
  update(gradients: Readonly<Record<Learnable, number>>, lr: number): void {
    const operation = 'learnableScalars.update';
    finite(operation, 'lr', lr);
    const given = checkObject(operation, gradients, 'gradients');
    const found = [...this.#scalars].map(([name, scalar]) => {
      const gradient = finite(operation, name, given[name]);
      const byOffset = gradient * this.value(name);
      if (byOffset * byOffset < Infinity) return [scalar, byOffset] as const;
      throw rangeError(operation, name, 'a gradient whose square is finite', gradient);
    });
    const steps = ++this.#steps;
    for (const [scalar, gradient] of found) {
      scalar.first += (1 - beta1) * (gradient - scalar.first);
      scalar.second += (1 - beta2) * (gradient * gradient - scalar.second);
      const direction = scalar.first / (1 - beta1 ** steps);
      const size = Math.sqrt(scalar.second / (1 - beta2 ** steps));
      const moved = scalar.offset - (lr * direction) / (size + eps);
      scalar.offset = Math.max(-this.#limit, Math.min(this.#limit, moved));
    }
  }

  /** Returns a copy of the state. */
  state(): LearnableState {
    const places = [...this.#scalars].map(([name, scalar]) => [name, { ...scalar }]);
    return { steps: this.#steps, places: Object.fromEntries(places) as LearnableState['places'] };
  }

  /**
   * Replaces the state with that of an earlier {@link LearnableScalars.state}.
   *
   * @throws `ERR_HOROBALL_CHECKPOINT` if its scalars differ or are out of range
   */
  loadState(state: LearnableState): void {
    const { steps, places } = checkObject('learnableScalars.loadState', state, 'state');
    integer('learnableScalars.loadState', 'steps', steps, 0, Number.MAX_SAFE_INTEGER);
    checkObject('learnableScalars.loadState', places, 'places');
    const loaded = [...this.#scalars.keys()].map(
      (name) => [name, this.#checked(name, places[name])] as const,
    );
    const other = Object.keys(places).find((name) => !this.#scalars.has(name as Learnable));
    if (other !== undefined)
      throw checkpointError('only the learnable scalars of the run', other, `Add ${other} to learn.`);
    for (const [name, scalar] of loaded) this.#scalars.set(name, scalar);
    this.#steps = steps;
  }

  #checked(name: Learnable, state: ScalarState | undefined): ScalarState {
    if (state === undefined)
      throw checkpointError(
        `a checkpoint with a learnable ${name}`,
        'one without',
        `Omit ${name} from learn.`,
      );
    const { offset, first, second } = checkOptions('learnableScalars.loadState', state, name);
    finite('learnableScalars.loadState', name, first);
    atLeastZero('learnableScalars.loadState', name, second);
    if (!(typeof offset === 'number' && Math.abs(offset) <= this.#limit))
      throw checkpointError(
        `${name} within learn_range`,
        `exp(${describe(offset)}) times its initial value`,
        'Restore the checkpoint from a backup.',
      );
    return { offset, first, second };
  }
}

function checkpointError(expected: string, got: string, fix: string): Error {
  return coded('ERR_HOROBALL_CHECKPOINT', `[checkpoint] learn: expected ${expected}, got ${got}. ${fix}`);
}
