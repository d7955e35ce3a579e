import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

interface Found {
  image: string;
  output: string;
  nearest: { path: string; distance: number }[];
}

test('search ranks the images of a folder by their distance from each query', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const images = join(root, 'images');
  await writeImages(images, classNames(16), 2);
  const { freeze: _, ...rest } = { ...tinyRun, ep: 1, eval_ep: '[]', bs: 16, threads: 1 };
  const options = { ...rest, freeze: 'None', path: images, runs: join(root, 'runs'), name: 'one' };
  const trained = await horoball(['train', ...Object.entries(options).map(([k, v]) => `--${k}=${v}`)]);
  t.is(trained.code, 0, trained.stderr);

  const [first, second] = [join(images, 'class-00', '0.jpg'), join(images, 'class-01', '1.jpg')];
  const copy = join(root, 'copy.jpg');
  await copyFile(first, copy);
  await writeFile(join(images, 'class-00', 'broken.png'), 'no image');
  await mkdir(join(images, '.hidden'));
  await copyFile(first, join(images, '.hidden', 'x.jpg'));
  const args = ['search', '--gallery', images, '--run', join(root, 'runs', 'one'), '--k=3', '--threads=1'];
  const outcome = await horoball([...args, '--json', copy, second]);
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /Note: skipped .*broken\.png/);
  const [ofCopy, ofSecond] = outcome.rows() as unknown as [Found, Found];
  t.deepEqual([ofCopy.image, ofCopy.output, ofCopy.nearest.length], [copy, 'hyperbolic', 3]);
  t.deepEqual(ofCopy.nearest[0], { path: first, distance: 0 });
  t.false(
    ofSecond.nearest.some(({ path }) => path === second),
    'a query is not its own result',
  );
  for (const { nearest } of [ofCopy, ofSecond]) {
    const distances = nearest.map(({ distance }) => distance);
    t.deepEqual(
      distances,
      [...distances].sort((a, b) => a - b),
    );
  }
  const text = await horoball([...args, '--output=cosine', copy]);
  t.regex(text.stdout, /copy\.jpg +Distance\n\S*class-00[\\/]0\.jpg +0\.0000\n/);

  const empty = await horoball(['search', '--gallery', join(root, 'runs'), '--model=vit_nano', copy]);
  t.is(empty.code, 2);
  t.regex(empty.stderr, /gallery: expected a folder with images/);
  const bad = join(root, 'bad');
  await mkdir(bad);
  for (const name of ['a.png', 'b.png']) await writeFile(join(bad, name), 'no image');
  const unreadable = await horoball(['search', '--gallery', bad, '--model=vit_nano', '--crop=16', copy]);
  t.is(unreadable.code, 1);
  t.regex(
    unreadable.stderr,
    /\[search\] --gallery: expected readable images, got none of 2 in \S*bad\. Repair \S*bad.[ab]\.png \(/,
  );
  const broken = await horoball([...args, join(images, 'class-00', 'broken.png')]);
  t.is(broken.code, 1);
  t.regex(broken.stderr, /image: expected a readable image, got .*broken\.png/);
});
