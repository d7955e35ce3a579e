import test from 'ava';
import { loadSharp } from '../../../lib/io/sharp.ts';
import { random } from '../../../lib/random.ts';
import { drawImage } from '../../../lib/train/data/shapes-draw.ts';
import { classTree, marks } from '../../../lib/train/data/shapes-tree.ts';

const tree = classTree(5, 4);

test('an image depends only on the species and the random stream', (t) => {
  const [one, other] = tree as [(typeof tree)[number], (typeof tree)[number]];
  const first = drawImage(one, random(1), 48);
  t.is(drawImage(one, random(1), 48), first);
  t.not(drawImage(one, random(2), 48), first, 'another pose, light and background');
  t.not(drawImage(other, random(1), 48), first);
});

test('the size scales the drawing and changes nothing else', (t) => {
  const [small, large] = [drawImage(tree[0]!, random(1), 48), drawImage(tree[0]!, random(1), 96)];
  t.is(small.replace('width="48" height="48"', 'width="96" height="96"'), large);
});

test('every species, texture, part and mark is valid markup without external references', async (t) => {
  const sharp = await loadSharp();
  const kinds = new Set<string>();
  for (const [i, species] of tree.entries()) {
    const svg = drawImage(species, random(2, i), 32);
    t.notRegex(svg, /NaN|Infinity|undefined|href|url\((?!#)/);
    const { width, height } = await sharp(Buffer.from(svg)).metadata();
    t.deepEqual([width, height], [32, 32]);
    for (const kind of [species.texture.kind, species.parts.kind, species.mark.kind]) kinds.add(kind);
  }
  for (const kind of marks) t.true(kinds.has(kind), kind);
  t.true(kinds.size >= 12, 'most textures and parts as well');
});

test('colors stay in range under any light', (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const svg = drawImage(tree[seed % tree.length]!, random(seed), 32);
    const channels = [...svg.matchAll(/rgb\((\d+),(\d+),(\d+)\)/g)].flatMap((match) =>
      match.slice(1).map(Number),
    );
    t.true(channels.length > 9 && channels.every((value) => value >= 0 && value <= 255));
  }
});
