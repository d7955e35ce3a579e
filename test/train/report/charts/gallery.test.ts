import test from 'ava';
import { galleryFigure, thumbnail } from '../../../../lib/train/report/charts/gallery.ts';
import { fakeSnapshot } from '../../fake-run.ts';

test('a neighbor of the same class is a hit, another one a miss, each with its distance', (t) => {
  const snapshot = fakeSnapshot();
  const [{ query }] = snapshot.gallery as [(typeof snapshot.gallery)[number]];
  const nearest = [0, 1].map((label) => ({ ...query, label, distance: 0.25 + label }));
  const { text } = galleryFigure({ ...snapshot, gallery: [{ query, nearest }] });
  t.deepEqual(
    [...text.matchAll(/<figure class="([^"]*)"/g)].map(([, kind]) => kind),
    ['query', 'hit', 'miss'],
  );
  t.deepEqual(
    [...text.matchAll(/<figcaption>([^<]*)</g)].map(([, note]) => note),
    ['query', '0.25', '1.25'],
  );
  t.regex(text, /title="lark, y, birds \(different class\)"/);
});

test('names of classes are escaped, and an image that not every row has is framed', (t) => {
  const snapshot = fakeSnapshot();
  const [{ query }] = snapshot.gallery as [(typeof snapshot.gallery)[number]];
  const { text } = thumbnail(query, snapshot, 'hit', Number.NaN, true);
  t.false(text.includes('<b>'));
  t.regex(text, /class="hit only"/);
  t.regex(text, /<figcaption>–</);
  t.is(galleryFigure({ ...snapshot, gallery: [] }).text, '<div class="gallery"></div>');
});
