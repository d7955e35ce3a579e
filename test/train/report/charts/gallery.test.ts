import test from 'ava';
import { galleryFigure, thumbnail } from '../../../../lib/train/report/charts/gallery.ts';
import { fakeSnapshot } from '../../fake-run.ts';

test('a neighbor of the same class is a hit, another one a miss, each with its distance', (t) => {
  const snapshot = fakeSnapshot();
  const [{ query }] = snapshot.gallery as [(typeof snapshot.gallery)[number]];
  const nearest = [0, 1].map((label) => ({ ...query, label, distance: [0.25, Number.NaN][label]! }));
  const { text } = galleryFigure({ ...snapshot, gallery: [{ query, nearest }] });
  t.deepEqual(
    [...text.matchAll(/<figure class="([^"]*)"/g)].map(([, kind]) => kind),
    ['query', 'hit', 'miss'],
  );
  t.deepEqual(
    [...text.matchAll(/<figcaption>([^<]*)</g)].map(([, note]) => note),
    ['query', '0.25', '–'],
  );
  t.regex(text, /title="lark, y, birds \(different class\)"/);
});

test('escapes class names, and frames images that are not in every row', (t) => {
  const snapshot = fakeSnapshot();
  const [{ query }] = snapshot.gallery as [(typeof snapshot.gallery)[number]];
  const { text } = thumbnail(query, snapshot, 'hit', '1.5 <i>', true);
  t.false(text.includes('<b>'));
  t.regex(text, /class="hit only"/);
  t.regex(text, /<figcaption>1.5 &lt;i&gt;</);
  t.is(galleryFigure({ ...snapshot, gallery: [] }).text, '<div class="gallery"></div>');
});
