import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { studyReport, writeStudyReport } from '../../../../lib/train/report/study/write.ts';
import { readStudy, StudyFolder } from '../../../../lib/train/study/folder.ts';
import { sweep } from '../../../../lib/train/study/runner.ts';
import { plan, quick } from '../../study/synthetic-study.ts';
import { temporary } from '../../tiny-data.ts';

test('a study that was moved gives the same report', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const first = join(path, 'here', 'study');
  await sweep(await StudyFolder.open(first, plan()), { run: quick, report: studyReport(t.fail) });
  const before = await readFile(join(first, 'report.html'), 'utf8');
  t.deepEqual((await readdir(first)).sort(), [
    'report.html',
    'results.csv',
    'results.jsonl',
    'runs',
    'sweep.json',
  ]);
  const second = join(path, 'study');
  await rename(first, second);
  t.is(await readFile(await writeStudyReport(second), 'utf8'), before);
});

test('a study whose report cannot be written continues, and says how to make it', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const out = join(path, 'study');
  const folder = await StudyFolder.open(out, plan());
  await mkdir(join(out, 'report.html', 'in the way'), { recursive: true });
  const warnings: string[] = [];
  t.true(await sweep(folder, { run: quick, report: studyReport((text) => void warnings.push(text)) }));
  t.is((await readStudy(out)).results.length, plan().cells.length * 5);
  t.true(
    warnings.length > 0 && warnings.every((text) => text.endsWith(`npx horoball report ${out}`)),
    warnings[0],
  );
});
