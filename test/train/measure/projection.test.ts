import test from 'ava';
import { projectToDisk } from '../../../lib/train/measure/projection.ts';
import { statedError } from '../../tolerances.ts';

test('points in a plane through the origin keep their distances from it and from each other', async (t) => {
  // The third coordinate is always 0, so the two principal directions span the plane of the first two.
  const c = 0.7;
  const flat = [0.9, 0.1, -0.5, 0.6, 0.2, -0.8, -0.3, -0.3, 0.05, 0.4];
  const ball = flat.flatMap((value, i) => (i % 2 === 0 ? [value, flat[i + 1]!, 0] : []));
  const { points, explained } = await projectToDisk(ball, 5, 3, c);
  for (let i = 0; i < 5; i++) {
    const radius = Math.hypot(points[2 * i]!, points[2 * i + 1]!);
    t.true(
      Math.abs(radius - Math.sqrt(c) * Math.hypot(flat[2 * i]!, flat[2 * i + 1]!)) < statedError.projection,
    );
    for (let j = 0; j < i; j++) {
      const shown = Math.hypot(points[2 * i]! - points[2 * j]!, points[2 * i + 1]! - points[2 * j + 1]!);
      const meant =
        Math.sqrt(c) * Math.hypot(flat[2 * i]! - flat[2 * j]!, flat[2 * i + 1]! - flat[2 * j + 1]!);
      t.true(Math.abs(shown - meant) < statedError.projection);
    }
  }
  t.true(Math.abs(explained[0] + explained[1] - 1) < statedError.projection);
  t.true(explained[0] >= explained[1]);
});

test('the disk uses the directions of largest variance', async (t) => {
  const rows = 400;
  const spread = [0.5, 3, 0.2, 1.5];
  const tangent = Array.from(
    { length: rows * 4 },
    (_, i) => spread[i % 4]! * Math.sin(i * 12.9898 + i * i * 0.1),
  );
  const ball = Array.from({ length: rows * 4 }, (_, i) => {
    const row = tangent.slice(4 * Math.floor(i / 4), 4 * Math.floor(i / 4) + 4);
    const norm = Math.hypot(...row);
    return (tangent[i]! * Math.tanh(norm)) / norm;
  });
  const { explained } = await projectToDisk(ball, rows, 4, 1);
  const variance = (k: number): number => {
    const column = Array.from({ length: rows }, (_, i) => tangent[4 * i + k]!);
    const mean = column.reduce((a, b) => a + b) / rows;
    return column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows;
  };
  const all = [0, 1, 2, 3].map(variance);
  const total = all.reduce((a, b) => a + b);
  t.true(explained[0] >= Math.max(...all) / total - 1e-6);
  t.true(explained[0] + explained[1] > 0.9);
});
