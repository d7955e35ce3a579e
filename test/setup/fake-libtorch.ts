import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { zipSync } from 'fflate';

import { librarySuffix } from '../../lib/setup/libraries.ts';

const header = (version: string): string => {
  const [major, minor, patch] = version.split('.');
  return `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
};

/** The files of libtorch that inspection reads: libraries, by name only, and the header with the version. */
export function fakeFiles(version = '2.13.0'): Record<string, string> {
  const libraries = ['c10', 'torch_cpu', 'torch'].map((name) => `lib/lib${name}${librarySuffix}`);
  return {
    ...Object.fromEntries(libraries.map((name) => [name, 'not a library'])),
    'include/torch/csrc/api/include/torch/version.h': header(version),
    'include/torch/csrc/api/include/torch/torch.h': '',
  };
}

export async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}

/** Returns a zip archive that contains these files in one folder. */
export function archiveOf(folder: string, files: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(files).map(
    ([name, text]) => [`${folder}/${name}`, Buffer.from(text)] as const,
  );
  return zipSync(Object.fromEntries(entries));
}

/** Creates a temporary folder, which is removed after the test. */
export async function temporary(t: { teardown(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-setup-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
