// Checks which layers may import which, and other rules for sources and builds, mostly by reading the sources as text.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { geometries, metrics } from '../lib/card-names.ts';
import { coreFolders } from '../lib/tasks/core-folders.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A file, and the names in its includes or imports. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly names: readonly string[];
}

async function sources(folder: string, name: RegExp, reference: RegExp): Promise<Source[]> {
  const files = await readdir(join(root, folder), { recursive: true });
  const own = files.filter((file) => !/(^|\/)(node_modules|\.venv)\//.test(file));
  const paths = own.filter((file) => name.test(file)).map((file) => join(folder, file));
  return Promise.all(
    paths.map(async (path) => {
      const text = await readFile(join(root, path), 'utf8');
      return { path, text, names: Array.from(text.matchAll(reference), (match) => match[1]!) };
    }),
  );
}

const native = await sources('native', /\.(cc|h|cu)$/, /^\s*#include\s+["<]([^">]+)[">]/gm);
const scripts = (
  await Promise.all(
    ['lib', 'test', 'bench'].map((folder) =>
      // Type-only imports and `import('...')` count too.
      sources(folder, /\.ts$/, /(?:^(?:import|export)\b[^;]*?\bfrom |\bimport\()'(\.[^']+\.ts)'/gms),
    ),
  )
).flat();

const known = new Set(native.map(({ path }) => path));

/** The layer of an include: a folder under native, `core.h`, or a system header's name. */
function nativeLayer(from: string, name: string): string {
  const candidates = [join(dirname(from), name), join('native', name)].map(normalize);
  const path = candidates.find((candidate) => known.has(candidate));
  if (path === undefined) return name;
  const [, layer = ''] = path.split('/');
  return layer;
}

/** The layers and external headers that each layer may include. Of the C++ library, ops may use only cmath. */
const allowed: Record<string, RegExp> = {
  ops: /^(ops|cmath)$/,
  cpu: /^(cpu|ops|core\.h|[a-z_]+|immintrin\.h|arm_neon\.h|wasm_simd128\.h|pthread\.h|sched\.h|sys\/mman\.h)$/,
  cuda: /^(cuda|ops|core\.h|[a-z_]+|(cuda_[a-z_]+|mma)\.h)$/,
  image: /^(image|[a-z_]+)$/,
  bind: /^(bind|core\.h|image|[a-z_]+)$/,
  node: /^(node|bind|core\.h|image|napi\.h|dlfcn\.h|features\.h|pthread\.h|windows\.h|sys\/file\.h|[a-z_]+)$/,
  wasm: /^(wasm|bind|core\.h|cpu|[a-z_]+)$/,
  torch: /^(torch|core\.h|napi\.h|jpeglib\.h|[a-z_]+|(torch|ATen|c10)\/.+)$/,
  test: /./,
};
const forbidden: Record<string, RegExp> = {
  bind: /^(cpu|cuda|ops|node|torch|wasm)$/,
  wasm: /^(cuda|ops|node|torch)$/,
  cpu: /^(cuda|node|torch|image)$/,
  cuda: /^(cpu|node|torch|image)$/,
  torch: /^(cpu|cuda|ops|image)$/,
  node: /^(cpu|cuda|ops|torch)$/,
  image: /^(cpu|cuda|ops|node|torch)$/,
};

test('native: a layer includes only the permitted layers', (t) => {
  const broken: string[] = [];
  for (const { path, names } of native) {
    const [, layer = ''] = path.split('/');
    if (path === 'native/core.h') {
      if (!names.every((name) => /^(atomic|cstddef|cstdint)$/.test(name))) broken.push(path);
      continue;
    }
    for (const name of names) {
      if (layer === 'torch' && name === '../node/bind.h') continue;
      const to = nativeLayer(path, name);
      if (!allowed[layer]!.test(to) || forbidden[layer]?.test(to)) broken.push(`${path} -> ${name}`);
    }
  }
  t.true(native.length > 30);
  t.deepEqual(broken, []);
});

const resolved = (from: string, name: string) => normalize(join(dirname(from), name));

/** The layers of lib, and the layers that each may import. */
const layers: Readonly<Record<string, readonly string[]>> = {
  core: ['io', 'wasm'],
  io: ['core'],
  wasm: ['core'],
  layers: ['core'],
  setup: ['core', 'io'],
  image: ['core', 'io'],
  model: ['core', 'io'],
  onnx: ['core', 'io', 'image', 'model'],
  embed: ['core', 'io', 'image', 'onnx'],
  'train/data': ['core', 'io', 'setup', 'image'],
  'train/lane': ['core', 'io', 'setup', 'model', 'train/data'],
  'train/distributed': ['core', 'io', 'model', 'train/lane'],
  'train/options': ['core', 'io', 'image', 'model', 'train/data', 'train/lane'],
  'train/weights': ['core', 'io', 'setup', 'model', 'train/lane'],
  'train/measure': ['core', 'io', 'train/data', 'train/distributed', 'train/lane', 'train/options'],
  'train/run': [
    'core',
    'io',
    'model',
    'train/data',
    'train/distributed',
    'train/lane',
    'train/options',
    'train/weights',
    'train/measure',
  ],
  'train/study': ['core', 'io', 'train/options', 'train/measure', 'train/run'],
  'train/report': ['core', 'io', 'train/options', 'train/measure', 'train/run', 'train/study'],
  'train/dashboard': ['core', 'train/options', 'train/measure', 'train/run', 'train/report'],
};

/** Modules that may import every layer: the public training modules, the command line and development tasks. */
const top = /^lib\/(train\/(index|train)\.ts|cli\/|tasks\/)/;

function layerOf(path: string): string {
  const [, folder = '', second = ''] = /^lib\/(?:([^/]+)\/)?(?:([^/]+)\/)?/.exec(path) ?? [];
  if (folder === '' || coreFolders.some((each) => each === folder)) return 'core';
  return folder === 'train' ? join(folder, second) : folder;
}

test('lib: a layer imports only the permitted layers, type-only imports included', (t) => {
  const broken: string[] = [];
  for (const { path, names } of scripts.filter(({ path }) => path.startsWith('lib/') && !top.test(path))) {
    const layer = layerOf(path);
    for (const to of names.map((name) => resolved(path, name))) {
      const ok = to.startsWith('lib/') && !top.test(to) && [layer, ...layers[layer]!].includes(layerOf(to));
      if (!ok) broken.push(`${path} -> ${to}`);
    }
  }
  t.true(scripts.length > 400);
  t.deepEqual(broken, []);
});

test('lib: every layer imports only layers below it', (t) => {
  // io and wasm count as core, because these layers import each other; another test finds cycles among their modules.
  const level = (layer: string): string => (layer === 'io' || layer === 'wasm' ? 'core' : layer);
  const open = new Set<string>();
  const visit = (layer: string): void => {
    t.false(open.has(layer), `${[...open, layer].join(' -> ')}`);
    if (open.has(layer)) return;
    open.add(layer);
    const members = Object.keys(layers).filter((each) => level(each) === layer);
    const below = members.flatMap((each) => layers[each]!).map(level);
    for (const next of new Set(below.filter((each) => each !== layer))) visit(next);
    open.delete(layer);
  };
  for (const layer of Object.keys(layers)) visit(level(layer));
});

test('lib/README.md numbers the layers of the training folders as they import each other', async (t) => {
  const table = await readFile(join(root, 'lib/README.md'), 'utf8');
  const rows = [...table.matchAll(/^\| `(\w+)\/` \| (\d) \|/gm)];
  const number = new Map(rows.map(([, folder, layer]) => [`train/${folder}`, Number(layer)]));
  const folders = Object.keys(layers).filter((layer) => layer.startsWith('train/'));
  t.deepEqual([...number.keys()].toSorted(), folders.toSorted());
  for (const folder of folders) {
    const own = number.get(folder)!;
    const below = layers[folder]!.filter((layer) => layer.startsWith('train/'));
    const high = below.filter((layer) => number.get(layer)! >= own && own > 1);
    t.deepEqual(high, [], folder);
  }
});

test('lib/README.md lists every module of lib and its folders', async (t) => {
  const readme = await readFile(join(root, 'lib/README.md'), 'utf8');
  const entries = await readdir(join(root, 'lib'), { withFileTypes: true });
  const names = (folders: boolean): string[] =>
    entries
      .filter((entry) => entry.isDirectory() === folders)
      .map(({ name }) => name)
      .toSorted();
  const rows = readme.matchAll(/^\| (`[\w-]+\.ts`(?:, `[\w-]+\.ts`)*) \|/gm);
  const listed = [...rows].flatMap(([, cell]) => cell!.replaceAll('`', '').split(', '));
  t.deepEqual(
    listed.toSorted(),
    names(false).filter((name) => name.endsWith('.ts')),
  );
  t.deepEqual(
    names(true).filter((name) => !readme.includes(`\`${name}/`) && !readme.includes(`horoball/${name}`)),
    [],
  );
  for (const folder of [...coreFolders, 'layers'])
    t.regex(readme, new RegExp(`^\\| \`${folder}/\` \\|`, 'm'));
});

test('npm run test:core runs the tests of all folders of the core', async (t) => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const [, listed = ''] = /\{([\w,]+)\}/.exec(scripts['test:core']) ?? [];
  t.deepEqual(
    coreFolders.filter((folder) => !listed.split(',').includes(folder)),
    [],
  );
});

test('lib, bench: no module imports a test', (t) => {
  const tests = scripts.flatMap(({ path, names }) =>
    names.map((name) => `${path} -> ${resolved(path, name)}`),
  );
  t.deepEqual(
    tests.filter((edge) => /-> test\/.*\.test\.ts$|^lib\/.* -> (test|bench)\//.test(edge)),
    [],
  );
});

test('only the two native.ts files load a binary', (t) => {
  // lib/locate.ts finds the files, but does not load them.
  const loaders = scripts.filter(
    ({ path, text }) =>
      path.startsWith('lib/') &&
      !/^lib\/(tasks\/|locate\.ts$)/.test(path) &&
      /process\.dlopen|core\.node'|\.node'\)/.test(text),
  );
  t.deepEqual(
    loaders.map(({ path }) => path).filter((path) => !/^lib\/(train\/lane\/)?native\.ts$/.test(path)),
    [],
  );
});

// The cards of row-wise operations, unlike those of metrics and geometries, have no public export.
test('bench imports only public exports, row cards, the oracle with its errors, and the progress meter', (t) => {
  const broken: string[] = [];
  for (const { path, names } of scripts.filter(({ path }) => path.startsWith('bench/'))) {
    for (const to of names.map((name) => resolved(path, name))) {
      if (
        !/^(bench\/.+|test\/(oracle|tolerances)\.ts|lib\/(io\/|train\/)?index\.ts|lib\/row\/card\.ts|lib\/cli\/meter\.ts)$/.test(
          to,
        )
      )
        broken.push(`${path} -> ${to}`);
    }
  }
  t.deepEqual(broken, []);
});

// Comparisons of `space` and `output` are allowed: evaluation spaces have the names of some metrics, but are unrelated.
const names = [...new Set([...metrics, ...geometries])].join('|');
const kernels = (path: string) => /^native\/(core\.h|(bind|cpu|cuda|node|torch|wasm)\/)/.test(path);
const library = (path: string) => path.startsWith('lib/');
const comparisons: readonly [pattern: RegExp, among: (path: string) => boolean][] = [
  [/\b(Metric|Geometry)::(?!k[A-Z])[a-z]/, kernels],
  [new RegExp(`(?<!Field<)"(${names})"`), kernels], // except fields named after the matrices that they hold
  [
    new RegExp(`(?<!\\b(space|output) )(===|!==) '(${names})'|case '(${names})'|'(${names})' (===|!==)`),
    library,
  ],
  [new RegExp(`\\['(${names})'[^\\]]*\\]\\.(includes|indexOf)\\(`), library],
  [/\b(metric|geometry)\s*(<|>|===|!==)=?\s*\d/, library],
];

/** Matches declarations of exports, in which `euclidean` and `hyperbolic` are names of matrices. */
const exportRow = /\bexports\.\w+(<[^>]*>)?\(.*?\);/gs;

test('no metric or geometry is compared by name outside its card', (t) => {
  const found = comparisons.flatMap(([pattern, among]) =>
    [...native, ...scripts]
      .map(({ path, text }) => ({ path, text: text.replace(exportRow, '') }))
      .filter(({ path, text }) => among(path) && pattern.test(text))
      .map(({ path, text }) => `${path}: ${pattern.exec(text)?.[0]}`),
  );
  t.deepEqual(found, []);
});

/** Returns the paths of the files whose path matches `among` and whose code, without comments, matches `pattern`. */
function filesWith(pattern: RegExp, among: RegExp): string[] {
  return [...native, ...scripts]
    .filter(
      ({ path, text }) => among.test(path) && pattern.test(text.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')),
    )
    .map(({ path }) => path)
    .sort();
}

test("only the row cards and their list have the head's formula", (t) => {
  const kernels = /^native\/(?!test\/|image\/|torch\/build\/)/;
  t.deepEqual(filesWith(/\bk(Margin|LeastNorm|TopTanh|TopArtanh|LeastLog) =/, kernels), [
    'native/ops/hypmix.h',
  ]);
  t.deepEqual(filesWith(/(::|\.)(a|arc)?(sinh|cosh|tanh)\b/, kernels), [
    'native/ops/hypmix.h',
    'native/ops/smooth.h',
  ]);
  for (const card of ['Clip', 'Expmap0', 'Project']) {
    const uses = filesWith(new RegExp(`\\b${card}\\b`), kernels).filter(
      (path) => !path.startsWith('native/ops/row/'),
    );
    t.deepEqual(uses, ['native/ops/head.h', 'native/ops/rows.h'], card);
  }
  // The training layer maps rows and contains no formula, clamp or card name.
  t.deepEqual(
    filesWith(/\b(tanh|clip\w*|expmap0|project)\(|\bwhere\(/, /^native\/torch\/(head|row_map)\./),
    [],
  );
  // In lib, only these files call a hyperbolic function. Tests compare their hyperbolic formulas with the oracle.
  const hyperbolic = /\b(Math|at|torch|std)(\.|::)(a|arc)?(sinh|cosh|tanh)\(|'A?(Sinh|Cosh|Tanh)'/;
  t.deepEqual(filesWith(hyperbolic, /^lib\//), [
    'lib/onnx/backbone.ts', // GELU, which is not hyperbolic geometry
    'lib/onnx/network.ts', // the head as an exported graph, which cannot call the core
    'lib/train/measure/closed-forms.ts', // the loss at special points, for reports
    'lib/train/measure/health.ts', // the distance at which the guards saturate
    'lib/train/measure/projection.ts', // the disk of a report
    'lib/train/report/charts/disk.ts', // the circles of the same disk
    'lib/tree/kernel.ts', // single pairs on the hyperboloid, for which calls of the core are too slow
  ]);
  // In native/torch, only this file writes hyperbolic formulas with tensors.
  t.deepEqual(filesWith(/\b1 - c \*|\.(a|arc)?(sinh|cosh|tanh)\(/, /^native\/torch\/[^/]+$/), [
    'native/torch/tree.cc', // the midpoints of all ancestors, because the core computes one midpoint per call
  ]);
  // Modules of lib read the constants of these formulas from the cards.
  t.deepEqual(filesWith(/atanh\(1 - 1e|\b(guard|tanhLimit|ballMargin|leastNorm)\b.* = \d/, /^lib\//), []);
});

test('the CUDA backend has all families of the CPU backend except the search index', async (t) => {
  const [cpu, cuda] = await Promise.all(
    ['cpu', 'cuda'].map(async (backend) => {
      const entries = await readdir(join(root, 'native', backend), { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    }),
  );
  const families = ['contrast', 'delta', 'frame', 'pairwise', 'row', 'select'];
  t.deepEqual(cpu!.sort(), ['contrast', 'delta', 'frame', 'lists', 'pairwise', 'row', 'select']);
  t.deepEqual(cuda!.sort(), families); // the search index runs on the CPU only
});

test('no import cycle, type-only imports included', (t) => {
  const graph = new Map(scripts.map(({ path, names }) => [path, names.map((name) => resolved(path, name))]));
  const missing = [...graph].flatMap(([path, to]) =>
    to.filter((each) => !graph.has(each)).map((each) => `${path} -> ${each}`),
  );
  t.deepEqual(
    missing.filter((edge) => edge.startsWith('lib/')),
    [],
  );
  for (const { path, names } of native) {
    const to = names.map((name) =>
      [join(dirname(path), name), join('native', name)].map(normalize).find((c) => known.has(c)),
    );
    graph.set(
      path,
      to.filter((path) => path !== undefined),
    );
  }
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  t.deepEqual(cycles, []);
});

test('ISA levels share no code: each object has no weak symbols and exports one name', async (t) => {
  const files = await readdir(join(root, 'build'), { recursive: true }).catch(() => []);
  // Builds with sanitizers are skipped, because sanitizers add symbols.
  const objects = files.filter(
    (file) => /horoball_\w+\.dir.*isa\.cc\.o$/.test(file) && !/^(address|thread|fuzzer)\b/.test(file),
  );
  if (process.platform !== 'linux') return t.pass('skipped: nm prints other symbol types on this system');
  t.true(objects.length > 0, 'no objects in build/: run npm run build');
  for (const object of objects) {
    const { stdout } = await promisify(execFile)('nm', ['--defined-only', join(root, 'build', object)], {
      maxBuffer: 1 << 26,
    });
    const shared = stdout.split('\n').filter((line) => / [A-Zuvw] /.test(line));
    t.is(shared.length, 1, `${relative('.', object)}: ${shared.slice(0, 5)}`);
    t.regex(shared[0]!, /backend_/);
  }
});
