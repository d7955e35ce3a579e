import { coded } from '../errors.ts';

/** The scalars of the loss that a run can learn, by their published names. */
export const learnable = ['t_e', 't_h', 'hyp_c'] as const;
export type Learnable = (typeof learnable)[number];

export interface LearntOptions {
  /** Which are learnt; the others stay as they are. */
  names: readonly Learnable[];
  /** Their values at first, above 0. */
  initial: Readonly<Record<Learnable, number>>;
  /** How many times larger or smaller than at first a value may get. */
  range: number;
}

/** Where one scalar is: its logarithm over the initial value's, and Adam's moments of that. */
interface Place {
  offset: number;
  first: number;
  second: number;
}

/** What learning goes on from; plain numbers. */
export interface LearntState {
  steps: number;
  places: Partial<Record<Learnable, Place>>;
}

const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];

/**
 * Temperatures and curvature that are learnt: `value = initial exp(offset)`, so a value is positive by construction,
 * is exactly the initial one at first, and moves by factors. Adam (Kingma & Ba 2015, arXiv 1412.6980) without decay
 * moves the offsets; each is held within `range`.
 */
export class LearntScalars {
  readonly #initial: LearntOptions['initial'];
  readonly #limit: number;
  readonly #places: Map<Learnable, Place>;
  #steps = 0;

  constructor({ names, initial, range }: LearntOptions) {
    this.#initial = initial;
    this.#limit = Math.log(range);
    this.#places = new Map(names.map((name) => [name, { offset: 0, first: 0, second: 0 }]));
  }

  /** Whether anything is learnt. */
  get any(): boolean {
    return this.#places.size > 0;
  }

  has(name: Learnable): boolean {
    return this.#places.has(name);
  }

  value(name: Learnable): number {
    return this.#initial[name] * Math.exp(this.#places.get(name)?.offset ?? 0);
  }

  /** One step against the gradients of the values (not of their logarithms). */
  update(gradients: Readonly<Record<Learnable, number>>, lr: number): void {
    const steps = ++this.#steps;
    for (const [name, place] of this.#places) {
      const gradient = gradients[name] * this.value(name);
      place.first += (1 - beta1) * (gradient - place.first);
      place.second += (1 - beta2) * (gradient * gradient - place.second);
      const direction = place.first / (1 - beta1 ** steps);
      const size = Math.sqrt(place.second / (1 - beta2 ** steps));
      const moved = place.offset - (lr * direction) / (size + eps);
      place.offset = Math.max(-this.#limit, Math.min(this.#limit, moved));
    }
  }

  state(): LearntState {
    const places = [...this.#places].map(([name, place]) => [name, { ...place }]);
    return { steps: this.#steps, places: Object.fromEntries(places) as LearntState['places'] };
  }

  /** @throws `ERR_HOROBALL_CHECKPOINT` where the state is of other scalars */
  loadState({ steps, places }: LearntState): void {
    for (const name of this.#places.keys()) {
      const place = places[name];
      if (place === undefined) throw coded('ERR_HOROBALL_CHECKPOINT', `the checkpoint did not learn ${name}`);
      this.#places.set(name, { ...place });
    }
    this.#steps = steps;
  }
}
