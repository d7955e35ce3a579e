import test from 'ava';
import { aliasesOf } from '../../../../lib/train/data/emoji/aliases.ts';
import { extraSets } from '../../../../lib/train/data/emoji/packages.ts';
import { slug } from '../../../../lib/train/data/emoji/read.ts';

test('the alias tables contain no icon twice', (t) => {
  for (const id of ['emojione', 'fxemoji']) {
    const icons = Object.values(aliasesOf(id));
    t.true(icons.length > 25);
    t.deepEqual(
      icons.filter((icon, i) => icons.indexOf(icon) !== i),
      [],
    );
    for (const [name, icon] of Object.entries(aliasesOf(id))) t.not(slug(name).replaceAll('-', ''), icon);
  }
});

test('only sets without code points have aliases, and all names are valid slugs', (t) => {
  for (const { id, codepoints } of extraSets) {
    const aliases = Object.entries(aliasesOf(id));
    t.is(aliases.length > 0, codepoints === 'names', id);
    for (const name of aliases.flat()) t.is(slug(name), name);
  }
  t.deepEqual(aliasesOf('noto'), {});
});
