// Miniature packages of the emoji data set, and copies that a test can modify.
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { temporary, writeTree } from '../support.ts';

/** A folder with a few icons of every package. */
export const from: string = fileURLToPath(new URL('../../../../../test/fixtures/emoji', import.meta.url));

/** The icons of Noto in this folder. */
export const notoIcons = '@iconify-json/noto/icons.json';

/** Copies the packages, replaces these files in the copy, and returns its folder. */
export async function changed(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const copy = path.join(await temporary(t), 'packages');
  await cp(from, copy, { recursive: true });
  await writeTree(copy, files);
  return copy;
}
