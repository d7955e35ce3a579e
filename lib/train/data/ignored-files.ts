import path from 'node:path';
import { extensions } from '../../image/formats.ts';

/** Counts the files of a data set that do not have an image extension. */
export class IgnoredFiles {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    const extension = path.extname(name).toLowerCase() || 'no extension';
    this.#counts.set(extension, (this.#counts.get(extension) ?? 0) + 1);
  }

  /** A list with one sentence that counts the files by extension, most frequent first; empty if no file was ignored. */
  get warnings(): string[] {
    const counts = [...this.#counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    if (counts.length === 0) return [];
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const shown = counts.slice(0, 10).map(([extension, count]) => `${count} ${extension}`);
    if (counts.length > 10) shown.push(`${counts.length - 10} more extensions`);
    const what =
      total === 1 ? '1 file without an image extension' : `${total} files without an image extension`;
    return [`ignored ${what} (${shown.join(', ')}); image extensions are ${[...extensions].join(' ')}`];
  }
}
