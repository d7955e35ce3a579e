// Generated from the cards in native/ops/row/ by `npm run ops`: edit those instead.
//
// Every operation throws a TypeError or RangeError with a code `ERR_HOROBALL_...` for an invalid argument (an
// asynchronous call rejects with it). NaN in a row makes the result of that row NaN. A point on or outside the rim is
// treated as one with 1 - c|x|^2 = 1e-30, and its radius has no gradient; distances from it are infinite.
// compat: 'hypmix' uses the published guards (the clamps and epsilons of HypMix's code), also outside the ball.
import { type Curved, type Operation, operation } from './row/operation.ts';

/**
 * Möbius addition `x (+) y`: the hyperbolic translation by `x`, applied to `y`.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const mobiusAdd: Operation<[x: 'rows', y: 'rows'], Curved> = operation('mobiusAdd');

/**
 * Möbius subtraction `x (-) y = x (+) (-y)`; exactly 0 for equal points.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const mobiusSub: Operation<[x: 'rows', y: 'rows'], Curved> = operation('mobiusSub');

/**
 * Möbius scalar multiplication `t (*) x`: the point `t` times as far from the origin as `x`, on the
 * same geodesic. `tanh(t artanh(sqrt(c) |x|)) x / (sqrt(c) |x|)`.
 *
 * @param t - the factor, any finite number
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const mobiusScalarMul: Operation<[t: 'number', x: 'rows'], Curved> = operation('mobiusScalarMul');

/**
 * Möbius matrix-vector product of every row: the linear map `m` in the tangent space at the origin,
 * `expmap0(m logmap0(x))`. Row `i` of the result has as many coordinates as `m` has rows.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param m - k x d: the matrix
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x k
 */
export const mobiusMatvec: Operation<[m: 'rows', x: 'rows'], Curved> = operation('mobiusMatvec');

/**
 * Gyration `gyr[x, y] u = -(x (+) y) (+) (x (+) (y (+) u))`, a rotation of `u`.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param u - n x d, or one row that is broadcast: vectors
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const gyration: Operation<[x: 'rows', y: 'rows', u: 'rows'], Curved> = operation('gyration');

/**
 * Exponential map at the origin: `tanh(sqrt(c) |u|) u / (sqrt(c) |u|)`. The result of a long `u` may
 * round onto the rim; `project` brings it back inside.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param u - n x d: tangent vectors at the origin
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const expmap0: Operation<[u: 'rows'], Curved> = operation('expmap0');

/**
 * Logarithmic map at the origin, the inverse of `expmap0`: `artanh(sqrt(c) |y|) y / (sqrt(c) |y|)`.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param y - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const logmap0: Operation<[y: 'rows'], Curved> = operation('logmap0');

/**
 * Exponential map: the point that the geodesic from `x` with velocity `u` reaches after unit time. The
 * result of a long `u` may round onto the rim; `project` brings it back inside.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param u - n x d, or one row that is broadcast: tangent vectors at `x`
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const expmap: Operation<[x: 'rows', u: 'rows'], Curved> = operation('expmap');

/**
 * Logarithmic map, the inverse of `expmap`: the velocity at `x` of the geodesic that reaches `y` after
 * unit time. Exactly 0 for equal points, even with `compat`, although the published code divides 0 by
 * 0 there.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const logmap: Operation<[x: 'rows', y: 'rows'], Curved> = operation('logmap');

/**
 * Geodesic distance, one number per row: `2/sqrt(c) artanh(sqrt(c) |(-x) (+) y|)`.
 * The distance between equal points is exactly 0; points on or outside the rim are infinitely far from
 * all others. The gradient is 0 in both cases.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const dist: Operation<[x: 'rows', y: 'rows'], Curved> = operation('dist');

/**
 * Geodesic distance to the origin, one number per row: `2/sqrt(c) artanh(sqrt(c) |x|)`.
 * Infinite on and outside the rim. The gradient is 0 there and at the origin.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const dist0: Operation<[x: 'rows'], Curved> = operation('dist0');

/**
 * Conformal factor, one number per row: `2 / (1 - c|x|^2)`, the ratio of hyperbolic to Euclidean
 * lengths at `x`.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const conformalFactor: Operation<[x: 'rows'], Curved> = operation('conformalFactor');

/**
 * Projection into the ball: vectors longer than `(1 - margin)/sqrt(c)` are scaled down to it.
 * Where the projection is active, the radial part of the gradient is 0.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d: vectors
 * @param options - `c` > 0: the curvature is -c; `margin`: the minimum distance from the rim, as a
 * fraction of the radius (default 0.001)
 * @returns n x d
 */
export const project: Operation<[x: 'rows'], Curved & { margin?: number | undefined }> = operation('project');

/**
 * Feature clipping before `expmap0`: vectors longer than `radius` are scaled down to it. Does not
 * depend on the curvature.
 * Where the clip is active, the radial part of the gradient is 0.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d: vectors
 * @param options - `radius`: the largest norm (default 2.3)
 * @returns n x d
 */
export const clip: Operation<[x: 'rows'], Partial<Curved> & { radius?: number | undefined }> =
  operation('clip');

/**
 * The point at `t` on the geodesic from `x` (t = 0) to `y` (t = 1), at constant speed: `x (+) (t (*)
 * ((-x) (+) y))`. Any `t` is allowed; points far beyond the ends round onto the rim.
 *
 * @param t - the position between the ends, any finite number
 * @param x - n x d, or one row that is broadcast: ball points, where t = 0
 * @param y - n x d, or one row that is broadcast: ball points, where t = 1
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const geodesic: Operation<[t: 'number', x: 'rows', y: 'rows'], Curved> = operation('geodesic');

/**
 * Parallel transport of `u` along the geodesic from `x` to `y`, which preserves inner products:
 * `gyr[y, -x] u lambda_x / lambda_y`.
 *
 * @param x - n x d, or one row that is broadcast: ball points, the start
 * @param y - n x d, or one row that is broadcast: ball points, the destination
 * @param u - n x d, or one row that is broadcast: tangent vectors at `x`
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const parallelTransport: Operation<[x: 'rows', y: 'rows', u: 'rows'], Curved> =
  operation('parallelTransport');

/**
 * Parallel transport of `u` from the origin to `y`: `(1 - c|y|^2) u`. The norm of `u` may be up to
 * 1e150, so that its square is in range: longer vectors give NaN.
 *
 * @param y - n x d, or one row that is broadcast: ball points
 * @param u - n x d, or one row that is broadcast: tangent vectors at the origin
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const parallelTransport0: Operation<[y: 'rows', u: 'rows'], Curved> = operation('parallelTransport0');

/**
 * From the Poincaré ball to the Klein ball of the same radius: `2x / (1 + c|x|^2)`.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const poincareToKlein: Operation<[x: 'rows'], Curved> = operation('poincareToKlein');

/**
 * From the Klein ball to the Poincaré ball of the same radius: `x / (1 + sqrt(1 - c|x|^2))`.
 *
 * @param x - n x d: points of the Klein ball
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const kleinToPoincare: Operation<[x: 'rows'], Curved> = operation('kleinToPoincare');

/**
 * From the ball to the hyperboloid of curvature `-c`, with one more coordinate: first time `(1 +
 * c|x|^2) / (sqrt(c) (1 - c|x|^2))`, then space `2x / (1 - c|x|^2)`.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x (d + 1)
 */
export const poincareToLorentz: Operation<[x: 'rows'], Curved> = operation('poincareToLorentz');

/**
 * From the hyperboloid of curvature `-c` (time first) to the ball, with one fewer coordinate: `space /
 * (1 + sqrt(c) time)`.
 *
 * @param x - n x (d + 1): points of the hyperboloid, time first
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const lorentzToPoincare: Operation<[x: 'rows'], Curved> = operation('lorentzToPoincare');

/**
 * Lorentz factor of points of the Klein ball, one number per row: `1 / sqrt(1 - c|x|^2)`.
 *
 * @param x - n x d: points of the Klein ball
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const lorentzFactor: Operation<[x: 'rows'], Curved> = operation('lorentzFactor');

/**
 * Einstein midpoint of all rows, as one row: the mean in Klein coordinates, weighted by Lorentz
 * factors. Equal to `weightedMidpoint` with equal weights.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns 1 x d
 */
export const einsteinMidpoint: Operation<[x: 'rows'], Curved> = operation('einsteinMidpoint');

/**
 * Weighted gyromidpoint of all rows, as one row: the weighted mean on the hyperboloid, mapped back to
 * the ball. Without weights all rows count equally; if all weights are 0, the result is the origin.
 *
 * @param x - n x d: ball points
 * @param weights - n numbers, optional: one nonnegative number per row
 * @param options - `c` > 0: the curvature is -c
 * @returns 1 x d
 */
export const weightedMidpoint: Operation<[x: 'rows', weights: 'weights'], Curved> &
  Operation<[x: 'rows'], Curved> = operation('weightedMidpoint');

/**
 * Signed distance from `x` to the hyperplane formed by the geodesics through `p` orthogonal to `a`,
 * one number per row; positive on the side that `a` points to. It does not depend on the norm of `a`,
 * which must be from 1e-150 to 1e150, so that its square is in range: longer normals give NaN, and
 * shorter ones count as 0, which defines no plane and gives 0.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param p - n x d, or one row that is broadcast: ball points of the planes
 * @param a - n x d, or one row that is broadcast: normals of the planes
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const distToPlane: Operation<[x: 'rows', p: 'rows', a: 'rows'], Curved> = operation('distToPlane');

/**
 * Logits of hyperbolic multinomial logistic regression, rows x classes: `lambda_p |a|` times the
 * signed distance to each class's hyperplane. A layer with tangent parameters P, A has `p =
 * expmap0(P)`, `a = (1 - c|p|^2) A`. The norm of `a` must be from 1e-150 to 1e150, so that its square
 * is in range: longer normals give NaN, and shorter ones give 0.
 * `compat: 'hypmix'` uses the published guards.
 *
 * @param x - n x d: ball points
 * @param p - k x d: one ball point per class
 * @param a - k x d: one normal per class
 * @param options - `c` > 0: the curvature is -c
 * @returns n x k
 */
export const hyperbolicSoftmax: Operation<[x: 'rows', p: 'rows', a: 'rows'], Curved> =
  operation('hyperbolicSoftmax');

/**
 * Riemannian gradient from the Euclidean one: `gradient (1 - c|x|^2)^2 / 4`. The norm of `gradient`
 * may be up to 1e150, so that its square is in range: longer gradients give NaN.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param gradient - n x d, or one row that is broadcast: Euclidean gradients at `x`
 * @param options - `c` > 0: the curvature is -c
 * @returns n x d
 */
export const riemannianGradient: Operation<[x: 'rows', gradient: 'rows'], Curved> =
  operation('riemannianGradient');

/**
 * Half aperture of the entailment cone at a point, in radians, one number per row: `arcsin(K (1 -
 * c|x|^2) / (sqrt(c) |x|))` (Ganea et al. 2018), or pi/2 near the origin, where the quotient is above
 * 1.
 * The gradient is 0 wherever the angle is constant.
 *
 * @param x - n x d: ball points
 * @param options - `c` > 0: the curvature is -c; `minRadius`: K, which determines the width of the
 * cones (default 0.1)
 * @returns n x 1
 */
export const halfAperture: Operation<[x: 'rows'], Curved & { minRadius?: number | undefined }> =
  operation('halfAperture');

/**
 * `halfAperture` on the hyperboloid of curvature `-c`, from the space coordinates: `arcsin(2K /
 * (sqrt(c) |x|))` (MERU, Desai et al. 2023).
 * The gradient is 0 wherever the angle is constant.
 *
 * @param x - n x d: space coordinates, without time
 * @param options - `c` > 0: the curvature is -c; `minRadius`: K, which determines the width of the
 * cones (default 0.1)
 * @returns n x 1
 */
export const lorentzHalfAperture: Operation<[x: 'rows'], Curved & { minRadius?: number | undefined }> =
  operation('lorentzHalfAperture');

/**
 * Exterior angle at `x` of the geodesic from `x` to `y`, in radians, one number per row: 0 if `y` is
 * straight outwards from `x`, pi if it is straight inwards (Ganea et al. 2018). `y` is in the
 * entailment cone of `x` if this angle is at most `halfAperture(x)`. The angle is 0 if `x` is the
 * origin or equals `y`.
 * The gradient is 0 wherever the angle is constant.
 *
 * @param x - n x d, or one row that is broadcast: ball points
 * @param y - n x d, or one row that is broadcast: ball points
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const exteriorAngle: Operation<[x: 'rows', y: 'rows'], Curved> = operation('exteriorAngle');

/**
 * `exteriorAngle` on the hyperboloid of curvature `-c`, from the space coordinates of both points
 * (MERU, Desai et al. 2023).
 * The gradient is 0 wherever the angle is constant.
 *
 * @param x - n x d, or one row that is broadcast: space coordinates, without time
 * @param y - n x d, or one row that is broadcast: space coordinates, without time
 * @param options - `c` > 0: the curvature is -c
 * @returns n x 1
 */
export const lorentzExteriorAngle: Operation<[x: 'rows', y: 'rows'], Curved> =
  operation('lorentzExteriorAngle');
