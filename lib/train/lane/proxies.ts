import { runStepsSync } from '../../call/run.ts';
import { checkMap, instance, integer, readOptions } from '../../check.ts';
import { coded } from '../../errors.ts';
import { checkUndetached, integerList } from '../../integers.ts';
import { random } from '../../random.ts';
import { Embedder, shapedValues } from './embedder.ts';
import { native, waitFor } from './native.ts';
import { Resource } from './tensor.ts';
import type { AnyTensor, NamedTensor, Parameter, WaitOptions } from './types.ts';

/** Options of {@link Proxies}. */
export interface ProxiesOptions {
  /** The classes, in any order; each gets a proxy. Repeated labels count once. */
  labels: ArrayLike<number>;
  /** Seed of the initial values, an integer >= 0; default 0. */
  seed?: number;
}

/**
 * Learnable proxies, one row per class, for the losses `proxy-anchor` and `proxy-nca` of `HybridLoss`. The embedder's head
 * maps each row like the output of its linear layer: to a unit vector and to a point of the ball. A row is therefore a
 * tangent vector at the origin of the ball, which AdamW can train like any other parameter. Initial values are normal with
 * variance 2 / classes, as in the code of Proxy-Anchor.
 *
 * @example
 * using proxies = new Proxies(embedder, { labels: [0, 1, 2] });
 * using optimizer = new AdamW(embedder, { lr: 1e-4, proxies });
 * using objective = loss.apply(embedder.forward(batch), labels, { proxies });
 */
export class Proxies extends Resource<'Proxies'> {
  /** The class of each proxy, ascending. */
  readonly labels: Int32Array;
  /** The proxies as a parameter of the optimizer. */
  readonly parameter: Parameter;
  readonly #rows: ReadonlyMap<number, number>;

  /** @throws TypeError or RangeError with a code for an invalid argument */
  constructor(embedder: Embedder, options: ProxiesOptions) {
    const name = 'proxies';
    const { handle, config } = instance(name, 'embedder', embedder, Embedder);
    const { labels: given, seed = 0 } = readOptions(name, options, ['labels', 'seed']);
    integer(name, 'seed', seed, 0, Number.MAX_SAFE_INTEGER);
    const copy = runStepsSync(
      name,
      integerList(name, 'labels', given, { least: -(2 ** 31), most: 2 ** 31 - 1 }),
    );
    const labels = Int32Array.from(new Set(copy)).sort();
    const { dim } = config;
    const count = integer(name, 'labels', labels.length, 1, Number.MAX_SAFE_INTEGER);
    const values = normals(count * dim, Math.sqrt(2 / count), seed);
    super(name, native().proxies(handle, values, count));
    this.labels = labels;
    this.parameter = Object.freeze({ name, shape: Object.freeze([count, dim]), trainable: true });
    this.#rows = new Map(Array.from(labels, (label, row) => [label, row]));
  }

  /**
   * @internal Returns the row of each label's proxy.
   * @throws `ERR_HOROBALL_LABELS` for a label without a proxy
   */
  rowsOf(labels: Int32Array): Int32Array {
    instance('hybridLoss.apply', 'labels', labels, Int32Array);
    checkUndetached('hybridLoss.apply', 'labels', labels);
    return Int32Array.from(labels, (label) => {
      const row = this.#rows.get(label);
      if (row !== undefined) return row;
      const message = `[hybridLoss.apply] labels: expected labels that have a proxy, got ${label}. Pass the label to Proxies.`;
      throw coded('ERR_HOROBALL_LABELS', message, RangeError);
    });
  }

  /** Returns the values as `weight` (classes x dim); waits for queued steps. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const { shape } = this.parameter;
    const data = new Float32Array(shape[0]! * shape[1]!);
    await waitFor('proxies.state', options, (cancel) => native().readProxies(this.handle, data, cancel));
    return new Map([['weight', { shape, data }]]);
  }

  /**
   * Replaces the values with those of an earlier {@link Proxies.state}.
   *
   * @throws RangeError `ERR_HOROBALL_SHAPE` if they are missing or have another shape
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<void> {
    const operation = 'proxies.loadState';
    checkMap(operation, 'state', state);
    const entry = state.get('weight') ?? { shape: [0], data: new Float32Array(0) };
    const values = shapedValues(operation, 'weight', this.parameter.shape, entry);
    await waitFor(operation, options, (cancel) => native().writeProxies(this.handle, values, cancel));
  }
}

/** Draws normally distributed random numbers from a seed (Box and Muller 1958). */
function normals(length: number, deviation: number, seed: number): Float32Array {
  const next = random(seed, 0x9c);
  return Float32Array.from({ length }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return deviation * radius * Math.cos(2 * Math.PI * next());
  });
}
