import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { datasetNames, datasets, findDataset, openDataset } from '../../../lib/train/data/registry.ts';
import { options } from '../../../lib/train/options/options.ts';

const lib = fileURLToPath(new URL('../../../../lib/', import.meta.url));

test('names are unique ignoring case, and each finds its record', (t) => {
  t.is(new Set(datasetNames.map((name) => name.toLowerCase())).size, datasets.length);
  for (const record of datasets) {
    t.is(findDataset(record.name.toUpperCase()), record);
    t.is(findDataset(record.name.toLowerCase()), record);
  }
  t.is(findDataset('constructor'), undefined);
});

test('the error for an unknown name lists all names', async (t) => {
  for (const unknown of ['cub-200', '__proto__', 'constructor']) {
    const error = await t.throwsAsync(openDataset(unknown, '.'), { code: 'ERR_HOROBALL_DATASET' });
    for (const name of datasetNames) t.true(error.message.includes(name), name);
  }
});

test('data sets of one name do not share a list, and the list of names cannot be changed', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'horoball-registry-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const file = join(root, 'list.csv');
  await writeFile(file, 'path,label\na.png,a\nb.png,a\nc.png,b\nd.png,b\n');
  const [one, other] = [await openDataset('csv', file), await openDataset('csv', file)];
  t.deepEqual(one.ks, other.ks);
  t.not(one.ks, other.ks);
  t.throws(() => (datasetNames as string[]).reverse(), { instanceOf: TypeError });
});

test('the options of a run derive names and paths from the records', (t) => {
  for (const { name, path } of datasets) {
    t.true(options.ds.expected.split(/, | or /).includes(name), name);
    if (path !== undefined) t.true(options.path.help.includes(`for ${name}, ${path}`), name);
  }
});

test('only the data layer and the recipes name a published data set', async (t) => {
  const files = (await readdir(lib, { recursive: true })).filter((file) => file.endsWith('.ts'));
  const published = datasets.filter(({ counts }) => counts !== undefined);
  t.true(published.length > 4 && files.length > 200);
  const named: string[] = [];
  for (const file of files.filter((file) => !file.startsWith('train/data/'))) {
    const text = await readFile(`${lib}${file}`, 'utf8');
    // SOP is also the published default of --ds, so other files may name it.
    if (published.some(({ name }) => name !== 'SOP' && text.includes(`'${name}'`))) named.push(file);
  }
  t.deepEqual(named, ['train/options/recipes.ts']);
});
