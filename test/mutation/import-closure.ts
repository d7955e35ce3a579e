import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';

/**
 * Returns the contents of the given sources and of all sources that they import or start as a process, by path relative
 * to `root`. A file counts as used if a string in the source is its relative path, with the extension .ts or .js.
 */
export async function importClosure(
  root: string,
  files: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const reached = new Set(files);
  for (const file of reached) {
    const text = await readFile(join(root, file), 'utf8').catch(() => null);
    if (text === null) continue; // a name of something else, such as a file that a test writes
    texts.set(file, text);
    for (const [, stem] of text.matchAll(/['"`]([\w./-]+)\.[jt]s['"`]/g))
      reached.add(`${posix.join(posix.dirname(file), stem!)}.ts`);
  }
  return texts;
}
