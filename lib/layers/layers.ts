import { boolean, checkOptions, choice, integer, listOf, positive } from '../check.ts';
import { quoted, shapeError, typeError } from '../errors.ts';
import type { Reals, Rows } from '../matrix.ts';
import {
  clip,
  conformalFactor,
  dist,
  expmap,
  expmap0,
  hyperbolicSoftmax,
  logmap,
  logmap0,
  mobiusAdd,
  mobiusMatvec,
  project,
  riemannianGradient,
} from '../ops.ts';
import { random } from '../random.ts';
import { LayerCore, type LayerOptions, type LayerParameter } from './core.ts';
import { type LayerCallOptions, type LayerPass, type Tape, Value } from './tape.ts';

export type { LayerOptions, LayerParameter } from './core.ts';
export type { LayerCallOptions, LayerGradients, LayerPass } from './tape.ts';

const shared = ['c', 'type', 'compat'] as const;

/** Options of a layer with random initial parameters. */
export interface SeededLayerOptions extends LayerOptions {
  /** Seed of the initial parameters, an integer >= 0; default 0. */
  seed?: number | undefined;
}

/** Base class of all layers. */
abstract class Layer {
  protected readonly core: LayerCore;

  protected constructor(core: LayerCore) {
    this.core = core;
  }

  /** The ball's curvature is -c. A layer that trains c reads it from its parameter `c`. */
  get c(): number {
    return requireCore(this.core).c;
  }

  /** Returns the parameters, which optimizers change in place. */
  parameters(): readonly LayerParameter[] {
    return requireCore(this.core).parameters();
  }
}

/** Returns the core of a layer. Throws for an object that only inherits from a layer and therefore has no core. */
function requireCore(core: LayerCore | undefined): LayerCore {
  if (core === undefined) throw typeError('layer', 'this', 'a layer that horoball created', 'another object');
  return core;
}

const count = (name: string, argument: string, value: number): number =>
  integer(name, argument, value, 1, Number.MAX_SAFE_INTEGER);

/** Options of {@link HyperbolicMLR}. */
export interface HyperbolicMLROptions extends SeededLayerOptions {
  dim: number;
  classes: number;
  /**
   * How the points of the hyperplanes are trained: as tangent vectors at the origin (`tangent`, the default, as
   * published), or in the ball (`ball`), for a Riemannian optimizer.
   */
  points?: 'tangent' | 'ball' | undefined;
}

/**
 * Hyperbolic multinomial logistic regression (Ganea et al. 2018, arXiv 1805.09112, section 5), as a layer: logits of ball
 * points, one per class. Parameters `points` P and `normals` A, both classes x dim: the hyperplane of a class contains
 * `p = expmap0(P)` (P itself for `points: 'ball'`) with the normal `(1 - c|p|^2) A`.
 *
 * @example
 * const layer = new HyperbolicMLR({ dim: 2, classes: 3, c: 0.1 });
 * const { output, backward } = await layer.forward(new Float32Array([0.5, 0]));
 * output.cols; // => 3
 * const { inputs, parameters } = await backward(new Float32Array([1, 0, 0]));
 */
export class HyperbolicMLR extends Layer {
  readonly #isTangent: boolean;

  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: HyperbolicMLROptions) {
    const name = 'hyperbolicMLR';
    const known: ReadonlySet<string> = new Set([...shared, 'seed', 'dim', 'classes', 'points']);
    const given = checkOptions(name, options, 'options', known);
    const core = new LayerCore(name, given);
    super(core);
    const { dim, classes, points = 'tangent', seed = 0 } = given;
    count(name, 'dim', dim);
    count(name, 'classes', classes);
    this.#isTangent = choice(name, 'points', points, ['tangent', 'ball']) === 0;
    const next = random(integer(name, 'seed', seed, 0, Number.MAX_SAFE_INTEGER));
    core.parameter('normals', core.rows(classes, dim, dim, next));
    const made = core.rows(classes, dim, dim, next);
    if (this.#isTangent) core.parameter('points', made);
    else core.parameter('points', project.sync(expmap0.sync(made, { c: this.c }), { c: this.c }), 'ball');
  }

  /** Computes the logits (n x classes) of n x dim points of the ball. */
  async forward<T extends Reals>(x: Rows<T>, options?: LayerCallOptions): Promise<LayerPass<T>> {
    const { cols } = this.core.valueOf('normals');
    return await this.core.pass([['x', x, cols]], options, async (tape, [points], of) => {
      const p = this.#isTangent ? await tape.apply(expmap0, [of('points')]) : of('points');
      return await tape.apply(hyperbolicSoftmax, [points!, p, await scaled(tape, of('normals'), p, this.c)]);
    });
  }
}

/** Returns `(1 - c|p|^2) a` row by row, computed as `2 a / lambda_p`, and records its backward pass. */
async function scaled(tape: Tape, a: Value, p: Value, c: number): Promise<Value> {
  const { rows, cols } = p.matrix;
  const lambda = await tape.apply(conformalFactor, [p]);
  const out = new Value(a.matrix);
  const inside = Float64Array.from(lambda.matrix.data, (factor) => 2 / factor);
  const each = (body: (row: number, at: number) => void): void => {
    for (let row = 0; row < rows; row++) for (let at = row * cols; at < (row + 1) * cols; at++) body(row, at);
  };
  each((row, at) => {
    out.matrix.data[at]! *= inside[row]!;
  });
  tape.record(() => {
    const along = new Float64Array(rows);
    const square = new Float64Array(rows);
    each((row, at) => {
      along[row]! += out.gradient.data[at]! * a.matrix.data[at]!;
      square[row]! += p.matrix.data[at]! ** 2;
      a.gradient.data[at]! += inside[row]! * out.gradient.data[at]!;
    });
    each((row, at) => {
      p.gradient.data[at]! -= 2 * c * along[row]! * p.matrix.data[at]!;
    });
    for (let row = 0; row < rows; row++) tape.gradC -= along[row]! * square[row]!;
  });
  return out;
}

/** Options of {@link HypLinear}. */
export interface HypLinearOptions extends SeededLayerOptions {
  inputs: number;
  outputs: number;
  /** Whether to add a bias; default true. */
  bias?: boolean | undefined;
}

/**
 * A linear layer for ball points (Ganea et al. 2018, section 3.2): `project(mobiusAdd(mobiusMatvec(W, x),
 * expmap0(b)))`, with the parameters `weight` W (outputs x inputs) and `bias` b (1 x outputs, a tangent vector at the
 * origin). With `compat: 'hypmix'` the bias is added with c = 1, as in the published code.
 */
export class HypLinear extends Layer {
  readonly #hasBias: boolean;

  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: HypLinearOptions) {
    const name = 'hypLinear';
    const known: ReadonlySet<string> = new Set([...shared, 'seed', 'inputs', 'outputs', 'bias']);
    const given = checkOptions(name, options, 'options', known);
    const core = new LayerCore(name, given);
    super(core);
    const { inputs, outputs, bias, seed = 0 } = given;
    count(name, 'inputs', inputs);
    count(name, 'outputs', outputs);
    this.#hasBias = boolean(name, 'bias', bias, true);
    const next = random(integer(name, 'seed', seed, 0, Number.MAX_SAFE_INTEGER));
    core.parameter('weight', core.rows(outputs, inputs, inputs, next));
    if (this.#hasBias) core.parameter('bias', core.rows(1, outputs, inputs, next));
  }

  /** Maps n x inputs points of the ball to n x outputs points of the ball. */
  async forward<T extends Reals>(x: Rows<T>, options?: LayerCallOptions): Promise<LayerPass<T>> {
    return await this.core.pass(
      [['x', x, this.core.valueOf('weight').cols]],
      options,
      async (tape, [points], of) => {
        const product = await tape.apply(mobiusMatvec, [of('weight'), points!]);
        if (!this.#hasBias) return await tape.apply(project, [product]);
        const bias = await tape.apply(expmap0, [of('bias')]);
        // The published code adds the bias with c = 1, whatever the layer's c.
        const overrides = this.core.compat === 'hypmix' ? { c: 1 } : {};
        return await tape.apply(project, [await tape.apply(mobiusAdd, [product, bias], overrides)]);
      },
    );
  }
}

/** Options of {@link ConcatPoincareLayer}. */
export interface ConcatPoincareOptions extends SeededLayerOptions {
  /** Columns of the two inputs. */
  inputs: readonly [number, number];
  outputs: number;
}

/**
 * Combines two ball points: the Möbius sum of `W1 x1` and `W2 x2`, both products as in {@link HypLinear} without a
 * bias. Parameters `weight1` W1 and `weight2` W2.
 */
export class ConcatPoincareLayer extends Layer {
  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: ConcatPoincareOptions) {
    const name = 'concatPoincareLayer';
    const known: ReadonlySet<string> = new Set([...shared, 'seed', 'inputs', 'outputs']);
    const given = checkOptions(name, options, 'options', known);
    const core = new LayerCore(name, given);
    super(core);
    const { inputs, outputs, seed = 0 } = given;
    const columns = listOf(inputs, 2);
    if (columns === null) throw shapeError(name, 'inputs', 'two column counts', quoted(inputs));
    count(name, 'outputs', outputs);
    const next = random(integer(name, 'seed', seed, 0, Number.MAX_SAFE_INTEGER));
    for (const [i, cols] of (columns as number[]).entries())
      core.parameter(`weight${i + 1}`, core.rows(outputs, count(name, 'inputs', cols), cols, next));
  }

  /**
   * @param x1 - n x inputs[0] points of the ball
   * @param x2 - n x inputs[1] points of the ball
   */
  async forward<T extends Reals>(
    x1: Rows<T>,
    x2: Rows<T>,
    options?: LayerCallOptions,
  ): Promise<LayerPass<T>> {
    const [first, second] = ['weight1', 'weight2'].map((name) => this.core.valueOf(name).cols);
    const inputs = [
      ['x1', x1, first],
      ['x2', x2, second],
    ] as const;
    return await this.core.pass<T>(inputs, options, async (tape, given, of) => {
      const sides: Value[] = [];
      for (const [i, each] of given.entries()) {
        const product = await tape.apply(mobiusMatvec, [of(`weight${i + 1}`), each]);
        sides.push(await tape.apply(project, [product]));
      }
      return await tape.apply(mobiusAdd, sides);
    });
  }
}

/** The geodesic distances between two matrices of ball points, row by row, as a layer without parameters. */
export class HyperbolicDistanceLayer extends Layer {
  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: LayerOptions) {
    const name = 'hyperbolicDistanceLayer';
    super(new LayerCore(name, checkOptions(name, options, 'options', new Set(shared))));
  }

  /**
   * @param x1 - n x d points of the ball
   * @param x2 - n x d points of the ball
   * @returns n x 1 distances
   */
  async forward<T extends Reals>(
    x1: Rows<T>,
    x2: Rows<T>,
    options?: LayerCallOptions,
  ): Promise<LayerPass<T>> {
    const inputs = [
      ['x1', x1, undefined],
      ['x2', x2, undefined],
    ] as const;
    return await this.core.pass<T>(inputs, options, (tape, given) => tape.apply(dist, given));
  }
}

/** Options of {@link ToPoincare} and {@link FromPoincare}. */
export interface MapOptions extends LayerOptions {
  /** Whether c is a parameter; default false. Every optimizer step must leave it above 0. */
  learnC?: boolean | undefined;
  /**
   * Dimension of a learnable base point, stored as the parameter `x`, a tangent vector at the origin. By default, the
   * base point is the origin.
   */
  dim?: number | undefined;
}

/** Options of {@link ToPoincare}. */
export interface ToPoincareOptions extends MapOptions {
  /**
   * Whether `backward` multiplies the cotangent by `(1 - c|h|^2)^2 / 4`, where h is the output and c has its initial
   * value, as published; default true.
   */
  riemannian?: boolean | undefined;
  /** Largest norm of the inputs (Guo et al. 2022, arXiv 2107.11472), above 0; default none. */
  clipR?: number | undefined;
}

const mapNames = [...shared, 'learnC', 'dim'];

/** Base class of {@link ToPoincare} and {@link FromPoincare}. Adds the parameter `x` if `dim` is given. */
abstract class MapLayer extends Layer {
  protected readonly dim: number | undefined;

  protected constructor(name: string, { learnC, dim, ...given }: MapOptions) {
    const core = new LayerCore(name, given, boolean(name, 'learnC', learnC, false));
    super(core);
    this.dim = dim === undefined ? undefined : count(name, 'dim', dim);
    if (this.dim !== undefined) core.parameter('x', core.rows(1, this.dim));
  }
}

async function base(tape: Tape, of: (name: string) => Value): Promise<Value> {
  return await tape.apply(project, [await tape.apply(expmap0, [of('x')])]);
}

/**
 * Maps Euclidean features to the ball: `project(expmap(base, clip(x)))`, where the base point is the origin or learnable.
 */
export class ToPoincare extends MapLayer {
  readonly #riemannian: boolean;
  readonly #clipR: number | undefined;

  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: ToPoincareOptions) {
    const name = 'toPoincare';
    const known: ReadonlySet<string> = new Set([...mapNames, 'riemannian', 'clipR']);
    const { riemannian, clipR, ...given } = checkOptions(name, options, 'options', known);
    super(name, given);
    this.#riemannian = boolean(name, 'riemannian', riemannian, true);
    this.#clipR = clipR === undefined ? undefined : positive(name, 'clipR', clipR);
  }

  /**
   * @param x - n x d features
   * @returns n x d points of the ball
   */
  async forward<T extends Reals>(x: Rows<T>, options?: LayerCallOptions): Promise<LayerPass<T>> {
    return await this.core.pass([['x', x, this.dim]], options, async (tape, [features], of) => {
      const radius = this.#clipR;
      const u = radius === undefined ? features! : await tape.apply(clip, [features!], { radius });
      const mapped =
        this.dim === undefined
          ? await tape.apply(expmap0, [u])
          : await tape.apply(expmap, [await base(tape, of), u]);
      const point = await tape.apply(project, [mapped]);
      if (!this.#riemannian) return point;
      const out = new Value(point.matrix);
      tape.record(async () => {
        point.add(await riemannianGradient(point.matrix, out.gradient, { c: this.core.initialC }));
      });
      return out;
    });
  }
}

/** Maps ball points to tangent vectors at the origin or at a learnable base point: `logmap(base, x)`. */
export class FromPoincare extends MapLayer {
  /** @throws TypeError or RangeError with a code for an invalid option */
  constructor(options: MapOptions) {
    super('fromPoincare', checkOptions('fromPoincare', options, 'options', new Set(mapNames)));
  }

  /**
   * @param x - n x d points of the ball
   * @returns n x d vectors
   */
  async forward<T extends Reals>(x: Rows<T>, options?: LayerCallOptions): Promise<LayerPass<T>> {
    return await this.core.pass([['x', x, this.dim]], options, async (tape, [points], of) =>
      this.dim === undefined
        ? await tape.apply(logmap0, [points!])
        : await tape.apply(logmap, [await base(tape, of), points!]),
    );
  }
}
