// Seeded mutations against every reader: a mutated file is read or refused with a code, quickly and within
// bounds.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { writeNpy, writeSafetensors } from '../../lib/io/index.ts';
import { fixture } from '../support.ts';

const seconds = 4;
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-mutations-'));
  const data = Float32Array.of(0, 1, 2, 3, 4, 5);
  await writeNpy(join(folder, 'a.npy'), data, [2, 3]);
  await writeSafetensors(
    join(folder, 'a.safetensors'),
    { weight: { shape: [2, 3], data }, other: { shape: [6], data: new Uint8Array(6) } },
    { metadata: { format: 'pt' } },
  );
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

const sources: Record<string, () => string[]> = {
  npy: () => [join(folder, 'a.npy')],
  safetensors: () => [join(folder, 'a.safetensors')],
  mat: () => ['mixed', 'plain', 'sample'].map((name) => fixture(`mat/${name}.mat`)),
  pth: () => ['values', 'wrapped', 'dino', 'plain4'].map((name) => fixture(`pth/${name}.pth`)),
  weights: () => ['values', 'wrapped', 'dino'].map((name) => fixture(`pth/${name}.pth`)),
};

for (const [reader, files] of Object.entries(sources))
  test.serial(`${reader}: mutated files are read or rejected`, async (t) => {
    const program = join('dist', 'test', 'io', 'mutate-child.js');
    const child = spawn(process.execPath, [
      '--max-old-space-size=300',
      program,
      reader,
      '7',
      String(seconds),
      folder,
      ...files(),
    ]);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    t.is(code, 0, stderr);
    const lines = stdout.trim().split('\n');
    const { files: tried, read, memory } = JSON.parse(lines.pop()!) as Record<string, number>;
    t.log(`${tried} files, ${read} of them read, ${memory} MB`);
    t.deepEqual(lines, []);
    t.true(tried! > 20 && read! > 0 && memory! < 300);
  });
