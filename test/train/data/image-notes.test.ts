import test from 'ava';
import { imageNotes, notesOf } from '../../../lib/train/data/image-notes.ts';

for (const [found, background, notes] of [
  [{ alpha: 0, large: 0 }, 'white', []],
  [{ alpha: 1, large: 0 }, undefined, [/^1 image has an alpha channel; train --background selects/]],
  [
    { alpha: 2, large: 0 },
    'black',
    [/^2 images have an alpha channel; transparent pixels are blended with black/],
  ],
  [{ alpha: 1, large: 3 }, 'drop', [/; it is ignored/, /^3 images have more than 89478485 pixels/]],
] as const) {
  test(`${JSON.stringify(found)} on ${background}`, (t) => {
    const got = notesOf(found, background);
    t.is(got.length, notes.length);
    for (const [i, pattern] of notes.entries()) t.regex(got[i]!, pattern);
  });
}

test('adds the counts of several loaders', (t) => {
  const loaders = [1, 2].map((withAlpha) => ({ withAlpha, large: 0 })) as never[];
  t.regex(imageNotes(loaders, { background: 'white' })[0]!, /^3 images have an alpha channel/);
});

test('counts alpha once per run', (t) => {
  const loaders = [{ withAlpha: 1, large: 2 }] as never[];
  const notes = imageNotes(loaders, { background: 'white', alphaNoted: true });
  t.is(notes.length, 1);
  t.regex(notes[0]!, /^2 images have more than/);
});
