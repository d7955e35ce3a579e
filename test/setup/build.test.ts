// Builds the training addon with a fake cmake that copies the addon of this checkout.
import { existsSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { buildProgress } from '../../lib/setup/build.ts';
import { findAddon } from '../../lib/setup/record.ts';
import { bareNode, install, program } from '../package/unpacked.ts';

test('a source that changes during the build is rebuilt, as is a damaged addon', async (t) => {
  const { file, record } = findAddon()!;
  const here = await install();
  t.teardown(here.remove);
  const source = join(here.packaged, 'native', 'torch', 'loss.cc');
  const programs = join(here.project, 'programs');
  await mkdir(programs);
  await writeFile(join(programs, 'c++'), '#!/bin/sh', { mode: 0o755 });
  const cmake = (during: string): string => `#!/bin/sh
if [ "$1" = --build ]; then
  /bin/mkdir -p "$2/out" && /bin/cp ${file} "$2/out/train.node"
  ${during}
fi`;
  const setup = async (during = '', ...options: string[]): Promise<string> => {
    await writeFile(join(programs, 'cmake'), cmake(during), { mode: 0o755 });
    const env = { PATH: programs, LIBTORCH: dirname(record.libtorch.lib) };
    return (await bareNode(here, [program(here), 'setup', ...options], env)).stderr;
  };
  const inherited = join(here.project, 'inherited');
  t.regex(await setup(`echo '// later' >> ${source}; /bin/ls -l /proc/$$/fd > ${inherited}`), /^Ready: /m);
  // The compiler inherits the lock file, so the lock is held while it runs, even if setup is killed.
  if (process.platform === 'linux') t.regex(await readFile(inherited, 'utf8'), /3 -> .*setup\.lock/);
  t.regex(await setup(), /^Ready: /m);
  t.regex(await setup(), /^The training addon is up to date: /m);
  await setup('/bin/rm "$2/out/train.node"', '--force');
  t.regex(await setup(), /^The training addon is up to date: /m, 'a failed build keeps the earlier addon');
  // `npm ci` removes everything in node_modules, so the addons are in the cache, in one folder per libtorch and ABI.
  const [addons] = await readdir(join(here.project, '.cache/horoball/addons'));
  const built = await readdir(join(here.project, '.cache/horoball/addons', addons!));
  t.is(built.filter((name) => name.startsWith(`torch-${record.libtorch.version}-`)).length, 2);
  t.false(existsSync(join(here.packaged, 'native/torch/build')));
  await appendFile(source, '// broken\n');
  t.regex(await setup(': > "$2/out/train.node"'), /was built but does not work/);
  const { stdout } = await bareNode(here, [program(here), 'doctor', '--json'], { PATH: programs });
  t.like(JSON.parse(stdout), { addon: { ok: true, current: false } }, 'the earlier addon is used');
  await appendFile(source, '// once more\n');
  t.regex(await setup(), /^Ready: /m);
  const cached = join(here.project, '.cache/horoball/addons', addons!);
  for (const name of await readdir(cached)) await truncate(join(cached, name, 'train.node'), 100);
  t.regex(await setup(), /^Ready: /m, 'a damaged addon is built again');
});

test('setup does not call an installation ready that another setup has not finished, or whose libtorch was upgraded', async (t) => {
  const { file, record } = findAddon()!;
  const here = await install();
  t.teardown(here.remove);
  const at = (...names: string[]): string => join(here.project, ...names);
  const header = at('libtorch', 'include', 'torch', 'headeronly', 'version.h');
  const writeHeader = async (version: string): Promise<void> => {
    const parts = version.split('.');
    const lines = ['MAJOR', 'MINOR', 'PATCH'].map((part, i) => `#define TORCH_VERSION_${part} ${parts[i]}\n`);
    await mkdir(dirname(header), { recursive: true });
    await writeFile(header, lines.join(''));
  };
  await writeHeader(record.libtorch.version);
  await symlink(record.libtorch.lib, at('libtorch', 'lib'));
  await mkdir(at('programs'));
  await writeFile(at('programs', 'c++'), '#!/bin/sh', { mode: 0o755 });
  const cmake = `#!/bin/sh
if [ "$1" = --build ]; then /bin/mkdir -p "$2/out" && /bin/cp ${file} "$2/out/train.node"; fi`;
  await writeFile(at('programs', 'cmake'), cmake, { mode: 0o755 });
  const setup = async (env: Record<string, string> = {}): Promise<string> => {
    const options = { PATH: at('programs'), ...env };
    return (await bareNode(here, [program(here), 'setup'], options)).stderr;
  };
  t.regex(await setup({ LIBTORCH: at('libtorch') }), /^Ready: /m);
  t.regex(await setup(), /^The training addon is up to date: /m);
  const lock = at('.cache', 'horoball', 'setup.lock');
  await writeFile(lock, JSON.stringify({ pid: process.pid, host: hostname() }));
  t.regex(await setup(), /process \d+ is already running setup/);
  await writeFile(lock, JSON.stringify({ pid: 999_999_999, host: hostname() })); // of a killed setup
  const download = at('.cache', 'horoball', 'download-aBc123');
  await mkdir(download);
  t.regex(await setup(), /^The training addon is up to date: /m);
  t.deepEqual(
    [existsSync(lock), existsSync(download)],
    [false, false],
    'it checked and cleaned up under its lock',
  );
  await writeHeader('2.12.7');
  const { stdout } = await bareNode(here, [program(here), 'doctor', '--json'], { PATH: at('programs') });
  t.like(JSON.parse(stdout), { addon: { ok: true, current: false } });
  t.regex(await setup(), /^Ready: libtorch 2\.12\.7 /m);
});

test('two setups at the same time do not build the core in one folder', async (t) => {
  const here = await install();
  t.teardown(here.remove);
  const at = (name: string): string => join(here.project, name);
  await mkdir(at('programs'));
  await writeFile(join(at('programs'), 'c++'), '#!/bin/sh', { mode: 0o755 });
  const cmake = `#!/bin/sh
if [ "$1" = --build ]; then
  echo built >> ${at('log')}
  until [ -e ${at('end')} ]; do /bin/sleep 0.1; done
  exit 1
fi`;
  await writeFile(join(at('programs'), 'cmake'), cmake, { mode: 0o755 });
  const setup = async (): Promise<string> => {
    const env = { PATH: at('programs'), HOROBALL_CORE: at('core.node') };
    return (await bareNode(here, [program(here), 'setup'], env)).stderr;
  };
  const first = setup();
  while (!existsSync(at('log'))) await sleep(50);
  const ends = setTimeout(() => writeFileSync(at('end'), ''), 10_000); // lets a second build end, if one starts
  t.regex(await setup(), /process \d+ is already running setup/);
  clearTimeout(ends);
  await writeFile(at('end'), '');
  t.regex(await first, /core failed/);
  t.is(await readFile(at('log'), 'utf8'), 'built\n');
});

test("a build's progress is read from Make and from Ninja", (t) => {
  const ninja = buildProgress(2);
  t.deepEqual(ninja('[3/25] Building CXX object x.o'), [3, 25]);
  t.is(ninja('-- Configuring done'), undefined);
  const make = buildProgress(2); // Make prints commands when they start: two are still running
  t.deepEqual(make('[ 11%] Building CXX object a.o'), [0, 100]);
  t.deepEqual(make('[ 22%] Building CXX object b.o'), [0, 100]);
  t.deepEqual(make('[ 33%] Building CXX object c.o'), [11, 100]);
  t.deepEqual(make('[100%] Built target train'), [100, 100]);
});
