// The rules of the rooms: who may know whom. Sources are read as text.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A file, and what it names in its includes or imports. */
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
      sources(folder, /\.ts$/, /^(?:import|export)(?! type)[^;]*?from '(\.[^']+)'/gms),
    ),
  )
).flat();

const known = new Set(native.map(({ path }) => path));

/** The room that an include leads to: a folder under native, `core.h`, or a system header's name. */
function roomOf(from: string, name: string): string {
  const candidates = [join(dirname(from), name), join('native', name)].map(normalize);
  const path = candidates.find((candidate) => known.has(candidate));
  if (path === undefined) return name;
  const [, room = ''] = path.split('/');
  return room;
}

/** For every room the rooms and outside headers that it may include; the C++ library is free to all but ops. */
const allowed: Record<string, RegExp> = {
  ops: /^(ops|core\.h|cmath)$/,
  cpu: /^(cpu|ops|core\.h|[a-z_]+|immintrin\.h|arm_neon\.h|pthread\.h|sched\.h)$/,
  cuda: /^(cuda|ops|core\.h|[a-z_]+|(cuda_[a-z_]+|mma)\.h)$/,
  image: /^(image|[a-z_]+)$/,
  node: /^(node|core\.h|image|napi\.h|dlfcn\.h|features\.h|pthread\.h|windows\.h|[a-z_]+)$/,
  torch: /^(torch|core\.h|napi\.h|[a-z_]+|(torch|ATen|c10)\/.+)$/,
  test: /./,
};
const forbidden: Record<string, RegExp> = {
  cpu: /^(cuda|node|torch|image)$/,
  cuda: /^(cpu|node|torch|image)$/,
  torch: /^(cpu|cuda|ops|image)$/,
  node: /^(cpu|cuda|ops|torch)$/,
  image: /^(cpu|cuda|ops|node|torch)$/,
};

test('native: every include is one that the room may have', (t) => {
  const broken: string[] = [];
  for (const { path, names } of native) {
    const [, room = ''] = path.split('/');
    if (path === 'native/core.h') {
      if (!names.every((name) => /^(atomic|cstddef|cstdint)$/.test(name))) broken.push(path);
      continue;
    }
    for (const name of names) {
      if (room === 'torch' && name === '../node/bind.h') continue;
      const to = roomOf(path, name);
      if (!allowed[room]!.test(to) || forbidden[room]?.test(to)) broken.push(`${path} -> ${name}`);
    }
  }
  t.true(native.length > 30);
  t.deepEqual(broken, []);
});

const resolved = (from: string, name: string) => normalize(join(dirname(from), name));

test('lib: the light core does not know the training layer, nor anybody the tests', (t) => {
  const broken: string[] = [];
  for (const { path, names } of scripts) {
    for (const to of names.map((name) => resolved(path, name))) {
      const above = path.startsWith('lib/') && /^(test|bench)\//.test(to);
      const light = /^lib\/(io\/)?[^/]+$/.test(path) && to.startsWith('lib/train/');
      if (above || light) broken.push(`${path} -> ${to}`);
    }
  }
  t.true(scripts.length > 60);
  t.deepEqual(broken, []);
});

test('only the two native.ts load a binary', (t) => {
  const loaders = scripts.filter(
    ({ path, text }) =>
      path.startsWith('lib/') &&
      !path.startsWith('lib/tasks/') &&
      /process\.dlopen|core\.node'|\.node'\)/.test(text),
  );
  t.deepEqual(
    loaders.map(({ path }) => path).filter((path) => !/^lib\/(train\/)?native\.ts$/.test(path)),
    [],
  );
});

test('bench: public exports and the oracle only', (t) => {
  const broken: string[] = [];
  for (const { path, names } of scripts.filter(({ path }) => path.startsWith('bench/'))) {
    for (const to of names.map((name) => resolved(path, name))) {
      if (!/^(bench\/.+|test\/oracle\.ts|lib\/(io\/|train\/)?index\.ts)$/.test(to))
        broken.push(`${path} -> ${to}`);
    }
  }
  t.deepEqual(broken, []);
});

test('no cycles', (t) => {
  const graph = new Map(scripts.map(({ path, names }) => [path, names.map((name) => resolved(path, name))]));
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

test('an ISA level shares no code: its object has no weak symbol, and one name of its own', async (t) => {
  const files = await readdir(join(root, 'build'), { recursive: true }).catch(() => []);
  // AddressSanitizer's build has names of its own.
  const objects = files.filter(
    (file) => /horoball_\w+\.dir.*isa\.cc\.o$/.test(file) && !file.startsWith('memory'),
  );
  if (process.platform !== 'linux') return t.pass('nm prints other letters elsewhere');
  t.true(objects.length > 0, 'no objects in build/: npm run build makes them');
  for (const object of objects) {
    const { stdout } = await promisify(execFile)('nm', ['--defined-only', join(root, 'build', object)], {
      maxBuffer: 1 << 26,
    });
    const shared = stdout.split('\n').filter((line) => / [A-Zuvw] /.test(line));
    t.is(shared.length, 1, `${relative('.', object)}: ${shared.slice(0, 5)}`);
    t.regex(shared[0]!, /backend_/);
  }
});
