// Checks for which versions of libtorch native/cmake/distributed.cmake enables groups of processes.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { temporary } from '../tiny-data.ts';

const run = promisify(execFile);
const module = fileURLToPath(new URL('../../../../native/cmake/distributed.cmake', import.meta.url));
const header = 'include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp';

/** Returns the sources that distributed.cmake chooses for a libtorch of this version with these symbols. */
async function sourcesOf(version: string, symbols: string): Promise<string> {
  const { path, remove } = await temporary();
  try {
    await mkdir(join(path, header, '..'), { recursive: true });
    await writeFile(join(path, header), '');
    await writeFile(join(path, 'libtorch_cpu.so'), symbols);
    const script = `set(LibTorch_VERSION ${version})
set(LibTorch_INCLUDE_DIR "${path}/include")
set(LibTorch_torch_cpu_LIBRARY "${path}/libtorch_cpu.so")
include("${module}")
message("\${horoball_group_sources}")
`;
    await writeFile(join(path, 'sources.cmake'), script);
    const { stderr } = await run('cmake', ['-P', join(path, 'sources.cmake')]);
    return stderr.trim();
  } finally {
    await remove();
  }
}

const gloo = '_ZN4c10d16ProcessGroupGlooC1ERKNS_';

test('groups need libtorch 2.13 or later with Gloo; others get the source that rejects every call', async (t) => {
  const found = await run('cmake', ['--version']).catch(() => null);
  if (found === null) {
    t.log('skipped: no cmake');
    return t.pass();
  }
  for (const version of ['2.13.0', '2.14.1', '3.0.0'])
    t.is(await sourcesOf(version, gloo), 'group.cc;heartbeat.cc', version);
  for (const version of ['1.13.1', '2.9.0', '2.12.1'])
    t.is(await sourcesOf(version, gloo), 'group_stub.cc', version);
  t.is(await sourcesOf('2.13.0', 'no Gloo'), 'group_stub.cc');
});
