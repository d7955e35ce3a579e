import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseConfig } from '../../../../lib/train/options/resolve.ts';
import { ReportWriter, writeReport } from '../../../../lib/train/report/run/write.ts';
import { DiskStore } from '../../../../lib/train/run/store.ts';
import { temporary } from '../../data/support.ts';
import { evaluationRow, fakeSnapshot, stepRow } from '../../fake-run.ts';

/** Writes a run with one step and one evaluation, and returns its folder. */
async function runFolder(t: ExecutionContext): Promise<string> {
  const runs = await temporary(t);
  await using store = await DiskStore.create({ ...parseConfig({ name: 'mine' }), runs });
  store.append(stepRow(1));
  store.append(evaluationRow(1, 0.5));
  await store.snapshot(fakeSnapshot());
  await store.flush();
  return store.folder;
}

test('a report is made only from the files of the folder, and can be made again', async (t) => {
  const folder = await runFolder(t);
  const file = await writeReport(folder);
  t.is(file, join(folder, 'report.html'));
  const first = await readFile(file, 'utf8');
  t.regex(first, /mine/);
  await writeReport(folder);
  t.is(await readFile(file, 'utf8'), first);
  const elsewhere = join(await temporary(t), 'mine.html');
  t.is(await writeReport(folder, elsewhere), elsewhere);
  t.is(await readFile(elsewhere, 'utf8'), first);
  await t.throwsAsync(writeReport(await temporary(t)), { code: 'ERR_HOROBALL_RUN' });
});

test('a run that ended gets a report, whether complete or interrupted', async (t) => {
  const folder = await runFolder(t);
  for (const end of ['complete', 'interrupted'] as const) {
    const writer = new ReportWriter((text) => t.fail(text));
    writer.onStore(folder);
    t.is(writer.path, null);
    await writer.onEnd(end);
    t.is(writer.path, join(folder, 'report.html'));
  }
});

test('a failed run and a run without a folder get no report', async (t) => {
  for (const [folder, end] of [
    [await runFolder(t), 'failed'],
    [null, 'complete'],
  ] as const) {
    const writer = new ReportWriter((text) => t.fail(text));
    writer.onStore(folder);
    await writer.onEnd(end);
    t.is(writer.path, null);
  }
});

test('a report that cannot be written causes a warning with the command that makes it', async (t) => {
  const folder = await runFolder(t);
  await mkdir(join(folder, 'report.html', 'in the way'), { recursive: true });
  const warnings: string[] = [];
  const writer = new ReportWriter((text) => void warnings.push(text));
  writer.onStore(folder);
  await writer.onEnd('complete');
  t.is(writer.path, null);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /^the report could not be generated \(.+\); to try again: npx horoball report /);
});
