// Runs the serving examples of the README and the guide, with a tiny network and small images under the names that the
// pages use.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import sharp from 'sharp';
import * as embed from '../../lib/embed/index.ts';
import * as core from '../../lib/index.ts';
import { exportOnnxFolder } from '../../lib/onnx/folder.ts';
import { drawImage, side, temporary } from '../train/tiny-data.ts';
import { writeRun } from './network.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const pages = ['README.md', 'lib/guide/serving.md'].map((name) => join(root, name));
const AsyncFunction = (async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<void>;

test('runs the examples of the pages', async (t) => {
  const { path, remove } = await temporary();
  await writeRun(join(path, 'runs/shapes-hybrid-1'));
  await exportOnnxFolder(join(path, 'runs/shapes-hybrid-1'), join(path, 'shapes'));
  for (const [i, name] of ['a.jpg', 'b.jpg', 'c.jpg'].entries()) {
    await sharp(drawImage(i, 0), { raw: { width: side, height: side, channels: 3 } }).toFile(
      join(path, name),
    );
  }
  const loadEmbedder: typeof embed.loadEmbedder = (source, options) =>
    embed.loadEmbedder(join(path, String(source)), options);
  const modules = { horoball: core, 'horoball/embed': { ...embed, loadEmbedder } };
  const texts = await Promise.all(pages.map((page) => readFile(page, 'utf8')));
  const blocks = texts
    .flatMap((text) => Array.from(text.matchAll(/^```js\n(.*?)^```/gms), ([, code]) => code!))
    .filter((code) => code.includes("'horoball/embed'"));
  t.is(blocks.length, 3);
  const said: number[] = [];
  const console = { log: (share: number) => said.push(share) };
  for (const code of blocks) {
    const body = code
      .replaceAll(/^import \{([^}]+)\} from '([^']+)';$/gm, "const {$1} = modules['$2'];")
      .replaceAll(/^(.+); \/\/ => (.+)$/gm, 'same($1, $2);')
      .replaceAll(/'([abc]\.jpg)'/g, `'${path}/$1'`);
    const same = (got: unknown, want: unknown) => t.deepEqual(got, want);
    await new AsyncFunction('modules', 'same', 'console', body)(modules, same, console);
  }
  t.deepEqual(said, [1]);
  await remove();
});
