// Runs the training examples of the README and the guide, reduced to a size that takes seconds.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as core from '../../lib/index.ts';
import * as training from '../../lib/train/index.ts';
import { classNames, temporary, tinyRun, writeImages } from './tiny-data.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const pages = ['README.md', ...readdirSync(join(root, 'lib/guide')).map((name) => join('lib/guide', name))];
const examples = pages.flatMap((page) =>
  Array.from(readFileSync(join(root, page), 'utf8').matchAll(/^```js\n(.*?)^```/gms), ([, code]) => code!)
    .filter((code) => code.includes("'horoball/train'"))
    .map((code, i) => ({ name: `${page}: training example ${i + 1}`, code })),
);

const AsyncFunction = (async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<void>;

for (const { name, code } of examples) {
  test(`${name} runs`, async (t) => {
    const { path, remove } = await temporary();
    await writeImages(path, classNames(32), 5);
    const small = { ...tinyRun, path, ep: 2, eval_ep: '[2]', runs: null };
    let result: training.TrainResult | undefined;
    const train: typeof training.train = async (config, hooks) => {
      result = await training.train({ ...config, ...small }, hooks);
      return result;
    };
    const openDataset: typeof training.openDataset = (name) => training.openDataset(name, path);
    const modules = { horoball: core, 'horoball/train': { ...training, train, openDataset } };
    const short = code.replaceAll(/\bepoch < \d+/g, 'epoch < 1');
    const body = short.replaceAll(/^import \{([^}]+)\} from '([^']+)';$/gm, "const {$1} = modules['$2'];");
    const said: [what: unknown, value: number][] = [];
    const console = { log: (what: unknown, value: number) => said.push([what, value]) };
    await new AsyncFunction('modules', 'console', body)(modules, console);
    t.true(said.length > 0);
    t.true(said.every(([, value]) => Number.isFinite(value)));
    if (code.includes(' train(')) t.is(said.length, result!.steps);
    await remove();
  });
}

test('the pages contain a training example', (t) => {
  t.true(examples.length > 0);
});
