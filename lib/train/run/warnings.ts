import { reasonOf } from '../../io/file-errors.ts';
import { shellWord } from '../../io/shell.ts';
import type { Skipped } from '../data/loader.ts';
import type { Listeners } from './hooks.ts';
import type { RunRecord } from './record.ts';
import type { Source } from './source.ts';
import type { RunState } from './state.ts';

/**
 * Returns the warning that a report could not be generated.
 *
 * @param folder - folder of the run or study; null if nothing is stored
 */
export function reportFailureText(error: unknown, folder: string | null): string {
  const again = folder === null ? '' : `; to try again: npx horoball report ${shellWord(folder)}`;
  return `the report could not be generated (${reasonOf(error)})${again}`;
}

/** Returns the warning about invalid lines of a log; null if all are valid. */
export function invalidLinesText(
  { invalid }: Pick<RunRecord, 'invalid'>,
  file = 'metrics.jsonl',
): string | null {
  if (invalid === undefined) return null;
  const [lines, left] =
    invalid.count === 1 ? ['line', 'is invalid and was skipped'] : ['lines', 'are invalid and were skipped'];
  return `${invalid.count} ${lines} of ${file} ${left} (${invalid.first}).`;
}

/** Returns notes about damaged or changed files of a run, one sentence each. */
export function fileNotes({ invalid, mismatches = [] }: Pick<RunRecord, 'invalid' | 'mismatches'>): string[] {
  const lines = invalidLinesText(invalid === undefined ? {} : { invalid });
  return lines === null ? mismatches : [lines, ...mismatches];
}

/**
 * Warns once about each unreadable image.
 *
 * @param images - default: the unreadable images that the source of the run has found
 */
export function warnOfSkipped(
  { source, state, listeners }: { source: Source; state: RunState; listeners: Listeners },
  images: readonly Skipped[] = source.skipped(),
): void {
  for (const image of images) {
    if (state.warned.has(image.path)) continue;
    state.warned.add(image.path);
    listeners.warn(skippedText(image));
  }
}

export function skippedText({ path, reason }: Skipped): string {
  return `skipped ${path}: ${reason}`;
}
