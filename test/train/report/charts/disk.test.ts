import test from 'ava';
import { diskFigure } from '../../../../lib/train/report/charts/disk.ts';
import { fakeSnapshot } from '../../fake-run.ts';

test('the disk draws every circle, and labels distances only if the labels do not overlap', (t) => {
  for (const c of [0.01, 0.1, 1, 5]) {
    const snapshot = fakeSnapshot();
    const points = snapshot.disk.points.with(0, 0.9);
    const { text } = diskFigure({ ...snapshot, disk: { ...snapshot.disk, c, points } });
    const heights = [...text.matchAll(/class="ringed" x="0" y="-([\d.]+)"/g)].map(([, y]) => Number(y));
    t.true(heights.length >= 2);
    for (const [i, height] of heights.slice(1).entries()) t.true(height - heights[i]! >= 1.5 * 24 - 0.1);
    const circles = [...text.matchAll(/class="ring" r="([\d.]+)"/g)].map(([, r]) => Number(r));
    t.true(circles.length > heights.length && circles.at(-1)! > 0.9 * 300, `${circles}`);
  }
});

test('draws a few circles at round distances for any curvature', (t) => {
  for (const c of [5e-324, 1e-300, 1e-18, 1e-6, 0.1, 1, 1e6, 1e18, 1e300]) {
    for (const scale of [1, 1e-3, 1e-12, 1e-300]) {
      const snapshot = fakeSnapshot();
      const points = snapshot.disk.points.map((value) => scale * value);
      const { text } = diskFigure({ ...snapshot, disk: { ...snapshot.disk, c, points } });
      const radii = [...text.matchAll(/class="ring" r="([\d.]+)"/g)].map(([, r]) => Number(r));
      t.true(radii.length >= 1 && radii.length <= 12, `${radii.length} circles at c ${c}, points ${scale}`);
      t.true(radii[0]! >= 0.2 * 300 && radii.at(-1)! <= 0.97 * 300, `${radii}`);
      t.notRegex(text, /NaN|Infinity/);
    }
  }
});
