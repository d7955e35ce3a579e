import test from 'ava';
import {
  classTree,
  generaPerFamily,
  marks,
  type Species,
  speciesPerGenus,
} from '../../../lib/train/data/shapes-tree.ts';

/** Groups species by family or by genus. */
function grouped(species: readonly Species[], rank: 'family' | 'genus'): Species[][] {
  const groups = new Map<string, Species[]>();
  for (const each of species) groups.set(each[rank], [...(groups.get(each[rank]) ?? []), each]);
  return [...groups.values()];
}

const perFamily = generaPerFamily * speciesPerGenus;

test('the tree depends only on its seed, and adding families does not change the first ones', (t) => {
  const tree = classTree(42, 2);
  t.deepEqual(classTree(42, 2), tree);
  t.deepEqual(classTree(42, 5).slice(0, tree.length), tree);
  t.notDeepEqual(classTree(43, 2), tree);
});

test('a family has its genera and a genus its species, all with different names', (t) => {
  const tree = classTree(7, 3);
  t.is(tree.length, 3 * perFamily);
  t.is(new Set(tree.map(({ name }) => name)).size, tree.length);
  const count = (rank: 'family' | 'genus'): number[] => grouped(tree, rank).map(({ length }) => length);
  t.deepEqual(count('family'), Array<number>(3).fill(perFamily));
  t.deepEqual(count('genus'), Array<number>(3 * generaPerFamily).fill(speciesPerGenus));
});

test('species of a genus or family share its properties', (t) => {
  for (const species of grouped(classTree(7, 4), 'family'))
    for (const each of species) {
      t.is(each.outline[0]!.order, species[0]!.outline[0]!.order, 'the main lobes');
      t.is(each.parts.kind, species[0]!.parts.kind);
    }
  for (const species of grouped(classTree(7, 4), 'genus'))
    for (const each of species) {
      t.is(each.texture.kind, species[0]!.texture.kind);
      t.deepEqual(each.parts, species[0]!.parts);
      t.is(each.outline.length, 2);
    }
});

test('siblings differ in the position and the hue of their marks', (t) => {
  const apart = (one: number, other: number, turn: number): number => {
    const gap = (((one - other) % turn) + turn) % turn;
    return Math.min(gap, turn - gap);
  };
  for (const siblings of grouped(classTree(3, 4), 'genus'))
    for (const [i, one] of siblings.entries())
      for (const other of siblings.slice(i + 1)) {
        t.true(apart(one.mark.angle, other.mark.angle, 2 * Math.PI) > 0.04 * 2 * Math.PI);
        t.true(one.colors.mark.hue !== other.colors.mark.hue);
      }
});

test('all values are in their ranges', (t) => {
  for (const { outline, aspect, parts, texture, mark, colors } of classTree(11, 6)) {
    t.true(
      outline.reduce((sum, { amplitude }) => sum + amplitude, 0) < 1,
      'the outline never crosses its center',
    );
    t.true(aspect > 0 && parts.length > 0 && parts.angles.length >= 2 && texture.frequency > 0);
    t.true(marks.includes(mark.kind) && mark.size > 0 && mark.distance < 1);
    for (const { chroma, light } of Object.values(colors))
      t.true(chroma >= 0 && chroma <= 1 && light > 0 && light < 1);
  }
});
