// Every module of lib has a test of the same name, or is listed here with a reason or with the test that covers it.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Modules without a test of the same name, by reason. */
const untested: Readonly<Record<string, readonly string[]>> = {
  'types and constants only': [
    'binary-files',
    'call/binding',
    'card-names',
    'embed/runtime-files',
    'embed/types',
    'index',
    'loss-types',
    'io/index',
    'embed/index',
    'model/types',
    'row/call',
    'train/data/types',
    'train/index',
    'train/lane/addon-types',
    'train/lane/types',
    'train/measure/types',
    'wasm/no-files',
  ],
  'records only, which train/options/options.test.ts reads': [
    'train/options/computation',
    'train/options/images',
    'train/options/loss',
    'train/options/model',
    'train/options/optimizer',
    'train/options/output',
    'train/options/tree',
  ],
  'a separate process or thread, which data/emoji/renderer, embed/embedder, tree/embed-tree and wasm/core.test.ts start':
    ['embed/worker', 'train/data/emoji/render-child', 'tree/worker', 'wasm/worker'],
  'the server of pages, whose two uses train/dashboard/server.test.ts and runs-server.test.ts test': [
    'train/dashboard/local-server',
  ],
  'the style sheet and the script of pages, which train/report/run/browser.test.ts runs': [
    'train/report/script',
    'train/report/style',
  ],
  'commands, which tests of test/cli run as processes: help.test.ts all of them': [
    'cli/advise',
    'cli/base-options',
    'cli/bench',
    'cli/dashboard',
    'cli/dashboard-option',
    'cli/delta',
    'cli/doctor',
    'cli/embed',
    'cli/emoji',
    'cli/eval',
    'cli/export',
    'cli/generate',
    'cli/health',
    'cli/json',
    'cli/main',
    'cli/mlflow-option',
    'cli/network',
    'cli/output',
    'cli/plan',
    'cli/report',
    'cli/run-options',
    'cli/setup',
    'cli/studies',
    'cli/training',
  ],
  'found and loaded by every test: native.test.ts of the lane, process.test.ts and package/install.test.ts': [
    'locate',
    'native',
    'platforms',
  ],
};

/** Modules that are tested through a module that uses them, by test. */
const through: Readonly<Record<string, readonly string[]>> = {
  'call/run.test': ['call/next-turn'],
  'cards.test': ['row/card'],
  'contrastive-loss.test': ['positives'],
  'check.test': ['integers'],
  'layers/layers.test': ['layers/core', 'layers/tape'],
  'tree/embed-tree.test': ['tree/epochs', 'tree/graph', 'tree/kernel', 'tree/threads', 'wasm/tree'],
  'embed/embedder.test': [
    'embed/images',
    'embed/protocol',
    'embed/session',
    'embed/url',
    'image/read-ahead',
    'onnx/metadata',
    'onnx/present',
    'onnx/serving',
  ],
  'embed/transformers.test': ['onnx/card', 'onnx/folder'],
  'gallery/gallery.test': ['gallery/file', 'gallery/store'],
  'image/decode.test': [
    'image/bmp',
    'image/each-row',
    'image/fault',
    'image/file',
    'image/formats',
    'image/pnm',
    'io/sharp',
  ],
  'image/augment.test': ['image/binding-calls', 'random'],
  'io/atomic.test': ['io/folder', 'io/text', 'io/thread-file'],
  'io/events.test': ['io/crc32c', 'io/protobuf', 'io/summary'],
  'io/image-size.test': ['io/jpeg-header'],
  'io/json.test': ['io/record-file'],
  'io/lock.test': ['io/lock-holder', 'io/regular'],
  'train/run/checkpoint-schema.test': ['io/read-back'],
  'io/mat.test': ['io/elements', 'io/mat-budget', 'io/mat-elements', 'io/mat-values'],
  'io/npy.test': ['io/npy-file', 'io/python-literal', 'io/strided'],
  'io/pth.test': [
    'io/bytes',
    'io/pickle',
    'io/pickle-tree',
    'io/pickle-values',
    'io/pth-values',
    'io/zip',
    'io/zip-reader',
  ],
  'onnx/export.test': [
    'model/parameters',
    'onnx/backbone',
    'onnx/graph',
    'onnx/linear',
    'onnx/network',
    'onnx/rotary',
    'onnx/source',
  ],
  'row/operation.test': ['inner-product-index', 'call/output-buffer', 'row/short-call'],
  'setup/setup.test': [
    'setup/command',
    'setup/diagnose',
    'setup/install',
    'setup/paths',
    'setup/probe',
    'setup/ui',
  ],
  'setup/find.test': ['setup/inspect', 'setup/libraries'],
  'train/lane/vit.test': ['model/sides', 'model/vit', 'model/vit-models'],
  'train/lane/vit-json.test': ['model/vit-json'],
  'train/run/loop.test': ['train/train'],
  'wasm/core.test': ['wasm/node'],
};

/** Tests that do not import their modules, because they run them in a separate process. */
const asProcess: ReadonlySet<string> = new Set(['io/atomic.test', 'setup/setup.test', 'wasm/core.test']);

async function modules(folder: string): Promise<string[]> {
  const files = await readdir(join(root, folder), { recursive: true });
  return files
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
}

const tests = new Set(await modules('test'));
const stems = (await modules('lib')).filter((stem) => !/^(tasks|examples|guide)\//.test(stem));

test('every module has a test of the same name, or a listed reason', (t) => {
  const without = new Set(stems.filter((stem) => !tests.has(`${stem}.test`)));
  const listed = new Set([...Object.values(untested), ...Object.values(through)].flat());
  t.deepEqual(
    [...without].filter((stem) => !listed.has(stem)),
    [],
    'add a test of that name, or list the module',
  );
  t.deepEqual(
    [...listed].filter((stem) => !without.has(stem)),
    [],
    'has a test, or does not exist: remove it',
  );
});

test('a test named for a module imports it, directly or through others', async (t) => {
  const imported = new Map<string, readonly string[]>();
  const importsOf = async (path: string): Promise<readonly string[]> => {
    const known = imported.get(path);
    if (known !== undefined) return known;
    const text = await readFile(join(root, path), 'utf8').catch(() => '');
    const names = Array.from(
      text.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g),
      (m) => m[1] ?? m[2]!,
    );
    const found = names.map((name) => posix.join(dirname(path), name));
    imported.set(path, found);
    return found;
  };
  for (const [name, served] of Object.entries(through)) {
    t.true(tests.has(name), name);
    if (asProcess.has(name)) continue;
    const reached = new Set([`test/${name}.ts`]);
    for (const path of reached) for (const next of await importsOf(path)) reached.add(next);
    t.deepEqual(
      served.filter((stem) => !reached.has(`lib/${stem}.ts`)),
      [],
      `${name} does not import these modules`,
    );
  }
});
