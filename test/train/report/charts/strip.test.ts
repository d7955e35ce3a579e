import test from 'ava';
import type { Snapshot } from '../../../../lib/train/measure/types.ts';
import { stripFigure } from '../../../../lib/train/report/charts/strip.ts';

const image = (label: number) => ({ label, thumbnail: `data:image/jpeg;base64,AAA${label}` });
const snapshot = { classes: ['cat', 'd<g'], parents: [], gallery: [] } as unknown as Snapshot;

test('a strip shows the anchor, the positive, and the negatives of each geometry with their weights', (t) => {
  const negatives = [{ ...image(1), weight: 0.254 }];
  const strips = [{ anchor: image(0), positive: image(0), hardest: [{ geometry: 'hybrid', negatives }] }];
  const figure = String(stripFigure({ ...snapshot, strips } as Snapshot));
  t.deepEqual(
    Array.from(figure.matchAll(/<figcaption>([^<]*)</g), ([, caption]) => caption),
    ['anchor', 'positive', '25.4%'],
  );
  t.regex(figure, /<p class="run">hybrid<\/p>/);
  t.regex(figure, /title="d&lt;g \(different class\)"/);
});

test('runs without strips show nothing', (t) => {
  t.is(stripFigure(snapshot), null);
  t.is(stripFigure({ ...snapshot, strips: [] }), null);
});
