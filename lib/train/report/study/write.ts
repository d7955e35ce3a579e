import { join } from 'node:path';
import { writeText } from '../../../io/text.ts';
import { reportFailureText } from '../../run/warnings.ts';
import { readStudy } from '../../study/folder.ts';
import { studyCsv } from '../../study/table.ts';
import { studyPage } from './study.ts';

/**
 * Writes results.csv and report.html from a study's files.
 *
 * @returns the report's path
 */
export async function writeStudyReport(path: string): Promise<string> {
  const study = await readStudy(path);
  await writeText(join(path, 'results.csv'), studyCsv(study));
  const file = join(path, 'report.html');
  await writeText(file, studyPage(study));
  return file;
}

/**
 * Returns a `report` hook for `sweep`. If the report cannot be written, the study continues, because its results are
 * stored.
 * @param onWarning - receives the reason if the report cannot be written
 */
export function studyReport(onWarning: (text: string) => void): (path: string) => Promise<void> {
  return async (path) => {
    await writeStudyReport(path).catch((error) => onWarning(reportFailureText(error, path)));
  };
}
