import { join, resolve } from 'node:path';
import { filePath } from '../../../check.ts';
import { writeText } from '../../../io/text.ts';
import type { RunEnd, RunListener } from '../../run/hooks.ts';
import { readRun } from '../../run/read.ts';
import { reportFailureText } from '../../run/warnings.ts';
import { runPage } from './page.ts';

/**
 * Writes the report of a run from the files in its folder.
 * @param path - the run folder
 * @param out - the file to write; default report.html in the run folder
 * @returns the path of the report
 * @throws the errors of `readRun` and of the file system
 */
export async function writeReport(path: string, out?: string): Promise<string> {
  const folder = filePath('writeReport', 'path', path);
  const file = out === undefined ? join(folder, 'report.html') : resolve(filePath('writeReport', 'out', out));
  await writeText(file, runPage(await readRun(folder)));
  return file;
}

/**
 * Writes the report when a run ends without an error. A failure becomes a warning, because the run itself has succeeded.
 */
export class ReportWriter implements RunListener {
  /** Path of the report; null if it was not written. */
  path: string | null = null;
  readonly #warn: (text: string) => void;
  #folder: string | null = null;

  /** @param warn - receives the reason if the report cannot be drawn */
  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  onStore(folder: string | null): void {
    this.#folder = folder;
  }

  async onEnd(end: RunEnd): Promise<void> {
    if (this.#folder === null || end === 'failed') return;
    try {
      this.path = await writeReport(this.#folder);
    } catch (error) {
      this.#warn(reportFailureText(error, this.#folder));
    }
  }
}
