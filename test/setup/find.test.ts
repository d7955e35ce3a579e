import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { findLibTorch, type SearchInputs, systemFolders } from '../../lib/setup/find.ts';
import { inspectRoot } from '../../lib/setup/inspect.ts';
import { fakeFiles, temporary, writeTree } from './fake-libtorch.ts';

/** Creates a fake machine with a different version of libtorch in each of `places`, and returns the inputs of a search. */
async function machine(
  t: ExecutionContext,
  { env = {}, places }: { env?: NodeJS.ProcessEnv; places: readonly string[] },
): Promise<SearchInputs & { root: string }> {
  const root = await temporary(t);
  const versions: Record<string, string> = { named: '2.1.0', python: '2.2.0', chosen: '2.3.0' };
  for (const place of places) {
    if (place !== 'usr') await writeTree(join(root, place), fakeFiles(versions[place]));
  }
  if (places.includes('usr')) {
    const files = Object.entries(fakeFiles('1.13.1'));
    const moved = files.map(([name, text]) => [name.replace(/^lib\//, 'lib/x86_64-linux-gnu/'), text]);
    await writeTree(join(root, 'usr'), Object.fromEntries(moved));
  }
  const chosen = inspectRoot('installed by setup', join(root, 'chosen'));
  return {
    root,
    env,
    chosen: 'libtorch' in chosen ? chosen.libtorch : undefined,
    pythonTorch: async () =>
      places.includes('python')
        ? { root: join(root, 'python') }
        : { reason: 'torch is not installed for python3' },
    system: systemFolders(join(root, 'usr')),
    loads: async () => true,
  };
}

const all = ['named', 'python', 'chosen', 'usr'];

test('the earlier choice has priority over a python3 with torch, and that over the system', async (t) => {
  const version = async (places: readonly string[]): Promise<string | undefined> =>
    (await findLibTorch(await machine(t, { places }))).libtorch?.version;
  t.is(await version(all), '2.3.0');
  t.is(await version(['python', 'usr']), '2.2.0');
  t.is(await version(['usr']), '1.13.1');
  t.is(await version([]), undefined);
});

test('the environment has the highest priority: LIBTORCH, then LIBTORCH_USE_PYTORCH', async (t) => {
  const here = await machine(t, { places: all });
  const both = { LIBTORCH: join(here.root, 'named'), LIBTORCH_USE_PYTORCH: '1' };
  t.is((await findLibTorch({ ...here, env: both })).libtorch?.version, '2.1.0');
  const { libtorch } = await findLibTorch({ ...here, env: { LIBTORCH_USE_PYTORCH: '1' } });
  t.like(libtorch, { origin: 'LIBTORCH_USE_PYTORCH', version: '2.2.0' });
  const off = { LIBTORCH: '', LIBTORCH_USE_PYTORCH: '0' };
  t.is((await findLibTorch({ ...here, env: off })).libtorch?.version, '2.3.0');
});

test('an unusable libtorch in the environment is an error, without a fallback', async (t) => {
  const here = await machine(t, { places: ['usr'] });
  const missing = join(here.root, 'nowhere');
  await t.throwsAsync(findLibTorch({ ...here, env: { LIBTORCH: missing } }), {
    code: 'ERR_HOROBALL_NO_TORCH',
    message: new RegExp(`LIBTORCH.*${missing}`),
  });
  await t.throwsAsync(findLibTorch({ ...here, env: { LIBTORCH_USE_PYTORCH: '1' } }), {
    code: 'ERR_HOROBALL_NO_TORCH',
    message: /LIBTORCH_USE_PYTORCH.*torch is not installed for python3/,
  });
});

test('a libtorch that cannot be loaded is skipped, and the reason is recorded', async (t) => {
  const here = await machine(t, { places: ['python', 'usr'] });
  const { libtorch, looked } = await findLibTorch({
    ...here,
    loads: async ({ version }) => (version === '2.2.0' ? 'libcudart.so.13: cannot open' : true),
  });
  t.is(libtorch?.version, '1.13.1');
  t.regex(looked.find(({ origin }) => origin === 'python3')?.reason ?? '', /libcudart\.so\.13/);
});

test('a folder is inspected before it is used', async (t) => {
  const root = await temporary(t);
  const reason = async (name: string, files: Record<string, string>): Promise<string> => {
    const inspection = inspectRoot('test', await writeTree(join(root, name), files));
    return 'reason' in inspection ? inspection.reason : 'fine';
  };
  t.is(await reason('good', fakeFiles('2.14.1')), 'fine');
  t.regex(await reason('old', fakeFiles('1.12.0')), /expected version 1\.13 to 2\.x, got 1\.12\.0/);
  t.regex(await reason('future', fakeFiles('3.0.0')), /3\.0\.0/);
  const { 'include/torch/csrc/api/include/torch/version.h': _, ...headless } = fakeFiles();
  t.regex(await reason('headless', headless), /no libtorch headers/);
  const library = Object.keys(fakeFiles()).find((name) => name.includes('torch_cpu'))!;
  const { [library]: __, ...halved } = fakeFiles();
  t.regex(await reason('halved', halved), /torch_cpu.* not found/);
  t.regex(await reason('empty', { 'readme.txt': '' }), /no such folder/);
});
