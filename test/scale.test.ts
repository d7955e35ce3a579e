// Accuracy at extreme scales of weights, cotangents, temperatures, normals and rows.
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
  topK,
  weightedMidpoint,
} from '../lib/index.ts';
import { limitsOf } from './metric-cases.ts';
import { accuracyOf } from './row-points.ts';
import { close, types } from './support.ts';

const c = 0.7;
const points = matrix(Float64Array.of(0.1, 0.2, -0.3, 0.5, 0.4, -0.1, -0.6, 0.3, 0.2, 0, -0.4, 0.7), 4, 3);
const weights = Float64Array.of(1, 2.5, 0, 3.7);
const cotangent = Float64Array.of(0.3, -1, 0.8);
const midpoint = accuracyOf('weightedMidpoint');
const scales = [1e-310, 1e-200, 1e-100, 1e100, 1e155, 1e200, 4e307];

test('a midpoint and its gradients do not depend on the scale of the weights', (t) => {
  const plain = weightedMidpoint.sync(points, weights, { c });
  const gradC = new Float64Array(1);
  const [gradX, gradW] = weightedMidpoint.vjp.sync(points, weights, cotangent, { c, gradC });
  for (const scale of scales) {
    const scaled = weights.map((weight) => weight * scale);
    const same = weightedMidpoint.sync(points, scaled, { c });
    close(t, same.data, plain.data, midpoint.value.float64, `${scale}`);
    const byC = new Float64Array(1);
    const [x, w] = weightedMidpoint.vjp.sync(points, scaled, cotangent, { c, gradC: byC });
    close(t, x!.data, gradX!.data, midpoint.gradient.float64, `gradient in x, ${scale}`);
    close(t, byC, gradC, midpoint.parameters.float64, `gradient in c, ${scale}`);
    // The exact gradient overflows float64 if the weights are subnormal.
    if (scale < 1e-307) continue;
    const byWeight = w!.data.map((each) => each * scale);
    close(t, byWeight, gradW!.data, midpoint.gradient.float64, `gradient in w, ${scale}`);
  }
});

test('scaling the weights by a power of two does not change a bit of a midpoint', (t) => {
  const scaled = weights.map((weight) => weight * 2 ** 600);
  t.deepEqual(weightedMidpoint.sync(points, scaled, { c }), weightedMidpoint.sync(points, weights, { c }));
});

test('accepts float32 weights near the ends of their range', (t) => {
  const x = matrix(Float32Array.from(points.data), 4, 3);
  const plain = weightedMidpoint.sync(x, Float32Array.from(weights), { c });
  for (const scale of [1e-44, 1e-38, 5e37]) {
    const exact = Float32Array.of(1, 1, 0, 1).map((weight) => weight * scale);
    const equal = weightedMidpoint.sync(x, Float32Array.of(1, 1, 0, 1), { c });
    const same = weightedMidpoint.sync(x, exact, { c });
    close(t, same.data, equal.data, midpoint.value.float32, `${scale}`);
  }
  t.true(plain.data.every(Number.isFinite));
});

test('with zero weights the midpoint is the origin, with zero gradients', (t) => {
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
    const back = a!.data.map((each) => each / scale);
    close(t, back, sum!.data, accuracyOf('mobiusAdd').gradient.float64, `mobiusAdd, ${scale}`);
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
    const limit = limitsOf('poincare', Float64Array).gradient;
    close(
      t,
      b!.data.map((each) => each / scale),
      distance!.data,
      limit,
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
  const limits = limitsOf(metric, Float64Array);
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
    close(t, pairwiseDistance.sync(scaled, y, { metric }).data, plain, limits.value, `x, ${scale}`);
    const turned = pairwiseDistance.sync(y, scaled, { metric }).data;
    close(t, turned, transposed(plain), limits.value, `y, ${scale}`);
    const [got] = pairwiseDistance.vjp.sync(scaled, y, pairs, { metric });
    const back = got!.data.map((each) => each * scale);
    close(t, back, gradient!.data, limits.gradient, `gradient, ${scale}`);
  }
  const none = matrix(new Float64Array(3), 1, 3);
  t.true(pairwiseDistance.sync(none, y, { metric }).data.every((each) => each === 1));
});

const transposed = (data: ArrayLike<number>) =>
  Float64Array.from({ length: 16 }, (_, i) => data[(i % 4) * 4 + Math.floor(i / 4)]!);

test('float64 distances and the hyperbolic loss have gradients at any scale whose squares are in range', (t) => {
  const scaleBy = (rows: Float64Array, scale: number) =>
    matrix(
      rows.map((each) => each * scale),
      4,
      3,
    );
  const pairs = matrix(
    Float64Array.from({ length: 16 }, (_, i) => Math.cos(i)),
    4,
    4,
  );
  for (const scale of [2 ** -200, 2 ** 55, 2 ** 200]) {
    for (const metric of ['euclidean', 'poincare'] as const) {
      const [plain] = pairwiseDistance.vjp.sync(points, points, pairs, { metric, c: c / 4 });
      const rows = scaleBy(points.data, scale);
      const [got] = pairwiseDistance.vjp.sync(rows, rows, pairs, { metric, c: c / 4 / scale ** 2 });
      close(t, got!.data, plain!.data, limitsOf(metric, Float64Array).gradient, `${metric}, ${scale}`);
    }
    const options = { euclidean: points, views: 2, lambda: 0.5, tauE: 0.2, tauH: 0.3 };
    const plain = hybridContrastiveLoss.sync({ ...options, hyperbolic: points, c: c / 4 });
    // Distances are divided by sqrt(c), so the temperature scales with them.
    const scaled = hybridContrastiveLoss.sync({
      ...options,
      hyperbolic: scaleBy(points.data, scale),
      c: c / 4 / scale ** 2,
      tauH: 0.3 * scale,
    });
    close(t, [scaled.loss], [plain.loss], midpoint.value.float64, `loss, ${scale}`);
    const back = scaled.gradHyperbolic!.data.map((each) => each * scale);
    close(t, back, plain.gradHyperbolic!.data, midpoint.gradient.float64, `gradient of the loss, ${scale}`);
  }
});

test('normals of a plane are accurate for any norm that the cards allow, and give NaN above that range and 0 below', (t) => {
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
    const same = distToPlane.sync(points, p, normals(scale), { c }).data;
    close(t, same, distances, accuracyOf('distToPlane').value.float64, `${scale}`);
    const got = hyperbolicSoftmax.sync(points, p, normals(scale), { c }).data.map((each) => each / scale);
    close(t, got, logits, accuracyOf('hyperbolicSoftmax').value.float64, `logits, ${scale}`);
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

test('vectors that are only multiplied are accurate for any norm that the cards allow, and give NaN above it', (t) => {
  for (const [name, operation] of Object.entries({ parallelTransport0, riemannianGradient })) {
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
      const got = at(scale).map((each) => each / scale);
      close(t, got, plain, accuracyOf(name).value.float64, `${name}, ${scale}`);
    }
    t.true(at(1e200).every(Number.isNaN));
  }
});

test('cosine: a zero row is at distance 1 from every finite row and has no gradient; distances of a non-finite row are NaN', (t) => {
  for (const type of types) {
    const rows = matrix(type.from([0, 0, 1, 2, Number.POSITIVE_INFINITY, 1, Number.NaN, 1]), 4, 2);
    const others = matrix(type.from([0, 0, 0, 3]), 2, 2);
    const distances = [...pairwiseDistance.sync(rows, others, { metric: 'cosine' }).data];
    t.deepEqual(distances.slice(0, 3), [1, 1, 1], type.name);
    t.true(distances.slice(4).every(Number.isNaN), type.name);
    const finite = matrix(rows.data.slice(0, 4), 2, 2);
    const cotangent = matrix(type.from([1, 1, 1, 1]), 2, 2);
    const [byRows, byOthers] = pairwiseDistance.vjp.sync(finite, others, cotangent, { metric: 'cosine' });
    const ofZeroRows = [...byRows!.data.subarray(0, 2), ...byOthers!.data.subarray(0, 2)];
    t.true(
      ofZeroRows.every((value) => value === 0),
      type.name,
    );
    t.true(byRows!.data.every(Number.isFinite), type.name);
  }
});

test('lorentz: rows off the hyperboloid whose squared difference is negative are at distance 0', (t) => {
  for (const type of types) {
    for (const time of [2, 1.001, 1.000_01]) {
      const [x, y] = [matrix(type.from([1, 0]), 1, 2), matrix(type.from([time, 0]), 1, 2)];
      const cotangent = matrix(type.from([1]), 1, 1);
      const options = { metric: 'lorentz', c: 1 } as const;
      t.is(pairwiseDistance.sync(x, y, options).data[0], 0, `${type.name} ${time}`);
      const [byX] = pairwiseDistance.vjp.sync(x, y, cotangent, options);
      t.true(
        byX!.data.every((value) => value === 0),
        `${type.name} ${time}`,
      );
      t.deepEqual([...topK.sync(x, y, { k: 1, ...options }).indices], [0], `${type.name} ${time}`);
    }
  }
});
