// Weights, cotangents and temperatures of any scale: results that do not depend on the scale keep their
// digits.
import test from 'ava';
import {
  distToPlane,
  hybridContrastiveLoss,
  hyperbolicSoftmax,
  matrix,
  mobiusAdd,
  pairwiseDistance,
  parallelTransport0,
  riemannianGradient,
  weightedMidpoint,
} from '../lib/index.ts';
import { relativeError } from './support.ts';

const c = 0.7;
const points = matrix(Float64Array.of(0.1, 0.2, -0.3, 0.5, 0.4, -0.1, -0.6, 0.3, 0.2, 0, -0.4, 0.7), 4, 3);
const weights = Float64Array.of(1, 2.5, 0, 3.7);
const cotangent = Float64Array.of(0.3, -1, 0.8);
const scales = [1e-310, 1e-200, 1e-100, 1e100, 1e155, 1e200, 4e307];

test('a midpoint and its gradients do not depend on the scale of the weights', (t) => {
  const plain = weightedMidpoint.sync(points, weights, { c });
  const gradC = new Float64Array(1);
  const [gradX, gradW] = weightedMidpoint.vjp.sync(points, weights, cotangent, { c, gradC });
  for (const scale of scales) {
    const scaled = weights.map((weight) => weight * scale);
    t.true(relativeError(weightedMidpoint.sync(points, scaled, { c }).data, plain.data) < 1e-12, `${scale}`);
    const byC = new Float64Array(1);
    const [x, w] = weightedMidpoint.vjp.sync(points, scaled, cotangent, { c, gradC: byC });
    t.true(relativeError(x!.data, gradX!.data) < 1e-12, `gradient in x, ${scale}`);
    t.true(relativeError(byC, gradC) < 1e-12, `gradient in c, ${scale}`);
    // Its exact value overflows float64 if the weights are below the smallest normal number.
    if (scale < 1e-307) continue;
    t.true(
      relativeError(
        w!.data.map((each) => each * scale),
        gradW!.data,
      ) < 1e-12,
      `gradient in w, ${scale}`,
    );
  }
});

test('a power of two as scale does not change any bit of a midpoint', (t) => {
  const scaled = weights.map((weight) => weight * 2 ** 600);
  t.deepEqual(weightedMidpoint.sync(points, scaled, { c }), weightedMidpoint.sync(points, weights, { c }));
});

test('weights in float32 near the ends of its range', (t) => {
  const x = matrix(Float32Array.from(points.data), 4, 3);
  const plain = weightedMidpoint.sync(x, Float32Array.from(weights), { c });
  for (const scale of [1e-44, 1e-38, 5e37]) {
    const exact = Float32Array.of(1, 1, 0, 1).map((weight) => weight * scale);
    const equal = weightedMidpoint.sync(x, Float32Array.of(1, 1, 0, 1), { c });
    t.true(relativeError(weightedMidpoint.sync(x, exact, { c }).data, equal.data) < 1e-6, `${scale}`);
  }
  t.true(plain.data.every(Number.isFinite));
});

test('without any weight the midpoint is the origin, with gradients of 0', (t) => {
  const none = new Float64Array(4);
  t.deepEqual([...weightedMidpoint.sync(points, none, { c }).data], [0, 0, 0]);
  for (const gradient of weightedMidpoint.vjp.sync(points, none, cotangent, { c })) {
    t.true(gradient!.data.every((each) => each === 0));
  }
});

test('a gradient is linear in its cotangent at any scale', (t) => {
  const y = matrix(
    points.data.map((each) => -each / 2),
    4,
    3,
  );
  const one = points.data.map((each, i) => each + i / 7);
  const [sum] = mobiusAdd.vjp.sync(points, y, one, { c });
  const pairs = Float64Array.from({ length: 16 }, (_, i) => Math.sin(i));
  const [distance] = pairwiseDistance.vjp.sync(points, y, matrix(pairs, 4, 4), { c });
  for (const scale of [1e-300, 1e-200, 1e200, 1e300]) {
    const [a] = mobiusAdd.vjp.sync(
      points,
      y,
      one.map((each) => each * scale),
      { c },
    );
    t.true(
      relativeError(
        a!.data.map((each) => each / scale),
        sum!.data,
      ) < 1e-12,
      `mobiusAdd, ${scale}`,
    );
    const [b] = pairwiseDistance.vjp.sync(
      points,
      y,
      matrix(
        pairs.map((each) => each * scale),
        4,
        4,
      ),
      { c },
    );
    t.true(
      relativeError(
        b!.data.map((each) => each / scale),
        distance!.data,
      ) < 1e-12,
      `distance, ${scale}`,
    );
  }
});

test('temperatures are rejected if their reciprocal is infinite', (t) => {
  const euclidean = matrix(Float64Array.of(1, 0, 0.6, 0.8, -1, 0, -0.6, -0.8), 4, 2);
  const loss = (options: object) =>
    hybridContrastiveLoss.sync({ euclidean, tied: true, views: 2, c, ...options });
  for (const options of [{ tauE: 1e-310 }, { tauH: 1e-310 }, { tauH: 1e-200, lambda: 1e200 }]) {
    t.throws(() => loss(options), { code: 'ERR_HOROBALL_RANGE' }, JSON.stringify(options));
  }
  for (const options of [{ tauE: 1e-200 }, { tauH: 1e-200 }, { lambda: 1e200 }, { lambda: 1e-300 }]) {
    t.true(Number.isFinite(loss(options).loss), JSON.stringify(options));
  }
});

test('a cosine distance and its gradients do not depend on the scale of either row', (t) => {
  const y = matrix(
    points.data.map((each) => 0.3 - each),
    4,
    3,
  );
  const metric = 'cosine';
  const pairs = matrix(
    Float64Array.from({ length: 16 }, (_, i) => Math.sin(i)),
    4,
    4,
  );
  const plain = pairwiseDistance.sync(points, y, { metric }).data;
  const [gradient] = pairwiseDistance.vjp.sync(points, y, pairs, { metric });
  for (const scale of [1e-306, 1e-200, 1e-160, 1e-140, 1e140, 1e160, 1e200, 1e307]) {
    const scaled = matrix(
      points.data.map((each) => each * scale),
      4,
      3,
    );
    t.true(relativeError(pairwiseDistance.sync(scaled, y, { metric }).data, plain) < 1e-14, `x, ${scale}`);
    t.true(
      relativeError(pairwiseDistance.sync(y, scaled, { metric }).data, transposed(plain)) < 1e-14,
      `y, ${scale}`,
    );
    const [got] = pairwiseDistance.vjp.sync(scaled, y, pairs, { metric });
    const back = got!.data.map((each) => each * scale);
    t.true(relativeError(back, gradient!.data) < 1e-12, `gradient, ${scale}`);
  }
  const none = matrix(new Float64Array(3), 1, 3);
  t.true(pairwiseDistance.sync(none, y, { metric }).data.every((each) => each === 1));
});

const transposed = (data: ArrayLike<number>) =>
  Float64Array.from({ length: 16 }, (_, i) => data[(i % 4) * 4 + Math.floor(i / 4)]!);

test('normals of a plane: any norm that the cards allow, and beyond it no wrong number', (t) => {
  const p = matrix(
    points.data.map((each) => each / 3),
    4,
    3,
  );
  const a = points.data.map((each, i) => each - i / 5);
  const normals = (scale: number) =>
    matrix(
      a.map((each) => each * scale),
      4,
      3,
    );
  const distances = distToPlane.sync(points, p, normals(1), { c }).data;
  const logits = hyperbolicSoftmax.sync(points, p, normals(1), { c }).data;
  for (const scale of [1e-149, 1e-100, 1e100, 1e149]) {
    t.true(
      relativeError(distToPlane.sync(points, p, normals(scale), { c }).data, distances) < 1e-13,
      `${scale}`,
    );
    const got = hyperbolicSoftmax.sync(points, p, normals(scale), { c }).data;
    t.true(
      relativeError(
        got.map((each) => each / scale),
        logits,
      ) < 1e-13,
      `logits, ${scale}`,
    );
  }
  for (const [scale, beyond] of [
    [1e200, Number.NaN],
    [1e-200, 0],
  ] as const) {
    for (const operation of [distToPlane, hyperbolicSoftmax]) {
      const { data } = operation.sync(points, p, normals(scale), { c });
      t.true(
        data.every((each) => Object.is(Math.abs(each), beyond)),
        `${scale}`,
      );
    }
  }
});

test('vectors that are only multiplied: any norm that the cards allow, NaN above', (t) => {
  for (const operation of [parallelTransport0, riemannianGradient]) {
    const at = (scale: number) =>
      operation.sync(
        points,
        matrix(
          points.data.map((each, i) => (each + i / 7) * scale),
          4,
          3,
        ),
        { c },
      ).data;
    const plain = at(1);
    for (const scale of [1e-300, 1e-200, 1e149]) {
      t.true(
        relativeError(
          at(scale).map((each) => each / scale),
          plain,
        ) < 1e-14,
        `${scale}`,
      );
    }
    t.true(at(1e200).every(Number.isNaN));
  }
});
