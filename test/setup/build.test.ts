// The training addon's build, with a cmake that only copies the addon of this checkout.
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { progressOf } from '../../lib/setup/build.ts';
import { findAddon } from '../../lib/setup/record.ts';
import { bareNode, install, program } from '../package/unpacked.ts';

test('a source that changes during the build does not count as built', async (t) => {
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
  const setup = async (during = ''): Promise<string> => {
    await writeFile(join(programs, 'cmake'), cmake(during), { mode: 0o755 });
    const env = { PATH: programs, LIBTORCH: dirname(record.libtorch.lib) };
    return (await bareNode(here, [program(here), 'setup'], env)).stderr;
  };
  t.regex(await setup(`echo '// later' >> ${source}`), /^Ready: /m);
  t.regex(await setup(), /^Ready: /m);
  t.regex(await setup(), /^Nothing to do: /m);
  await appendFile(source, '// once more\n');
  t.regex(await setup(), /^Ready: /m);
});

test("a build's progress is read from Make and from Ninja", (t) => {
  t.deepEqual(progressOf('[ 50%] Building CXX object x.o'), [50, 100]);
  t.deepEqual(progressOf('[3/25] Building CXX object x.o'), [3, 25]);
  t.is(progressOf('-- Configuring done'), undefined);
});
