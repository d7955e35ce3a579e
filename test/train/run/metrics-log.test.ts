import { link, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test from 'ava';
import { shellWord } from '../../../lib/io/shell.ts';
import type { Position } from '../../../lib/train/run/contents.ts';
import { logChange, openLog, rewindLog } from '../../../lib/train/run/metrics-log.ts';
import { temporary, writeTree } from '../data/support.ts';
import { stepRow } from '../fake-run.ts';

const line = (step: number): string => `${JSON.stringify(stepRow(step))}\n`;
const text = [1, 2, 3].map(line).join('');
const position = (step: number, metricsBytes: number): Position => ({
  step,
  metricsBytes,
  seconds: 1,
  best: null,
  baselines: [],
  complete: false,
});
const atTwo = position(2, (line(1) + line(2)).length);

test('appends rows, and rewinding keeps those up to the checkpoint', async (t) => {
  const file = join(await temporary(t), 'metrics.jsonl');
  for (const step of [1, 2, 3]) {
    const log = await openLog(file);
    await log.appendFile(line(step));
    await log.close();
  }
  t.is(await readFile(file, 'utf8'), text);
  await rewindLog(file, atTwo);
  t.is(await readFile(file, 'utf8'), line(1) + line(2));
  await rewindLog(file, null);
  t.is(await readFile(file, 'utf8'), '');
});

for (const [name, content, at, message] of [
  ['a shorter log', line(1), atTwo, /its end was lost/],
  [
    'a log of other steps',
    line(1) + line(3),
    position(2, (line(1) + line(3)).length),
    /expected step 2 as the last step in .*, got step 3/,
  ],
  ['a truncated row', text, position(2, atTwo.metricsBytes - 1), /to end a line at byte/],
  [
    'a log without steps',
    '{}\n'.repeat(200),
    position(2, 300),
    /expected step 2 as the last step in .*, got none/,
  ],
] as const) {
  test(`${name} does not belong to the checkpoint and stays unchanged`, async (t) => {
    const root = await temporary(t);
    const file = join(root, 'metrics.jsonl');
    await writeTree(root, { 'metrics.jsonl': content });
    const error = await t.throwsAsync(rewindLog(file, at), { code: 'ERR_HOROBALL_CHECKPOINT', message });
    const weights = shellWord(join(root, 'last.safetensors'));
    t.true(error.message.endsWith(`, or start a new run with --weights ${weights}.`), error.message);
    t.is(await readFile(file, 'utf8'), content);
  });
}

test('a log with another hard link is replaced, so that the log of a copied run stays unchanged', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'metrics.jsonl': text });
  const [file, copy] = ['metrics.jsonl', 'copy.jsonl'].map((name) => join(root, name)) as [string, string];
  for (const [position, kept] of [
    [atTwo, line(1) + line(2)],
    [null, ''],
  ] as const) {
    await rm(copy, { force: true });
    await link(file, copy);
    const before = await readFile(copy, 'utf8');
    t.is((await rewindLog(file, position)).metricsBytes, kept.length);
    const log = await openLog(file);
    await log.appendFile(line(3));
    await log.close();
    t.is(await readFile(file, 'utf8'), kept + line(3));
    t.is(await readFile(copy, 'utf8'), before);
  }
});

test('a missing log is an error only if the checkpoint refers to one', async (t) => {
  const file = join(await temporary(t), 'metrics.jsonl');
  await rewindLog(file, null);
  await t.throwsAsync(rewindLog(file, atTwo), { code: 'ERR_HOROBALL_CHECKPOINT', message: /got no file/ });
});

test('describes a log that is not the one to which a checkpoint belongs', async (t) => {
  const root = await temporary(t);
  const file = join(root, 'metrics.jsonl');
  const described = async (content: string, at: Position): Promise<string | null> => {
    await writeTree(root, { 'metrics.jsonl': content });
    return await logChange(file, at);
  };
  const at = { ...atTwo, metricsCrc32: crc32(line(1) + line(2)) };
  const bytes = at.metricsBytes;
  t.is(await described(text, at), null, 'rows after the checkpoint');
  t.regex((await described(line(1), at))!, new RegExp(`has ${line(1).length} bytes, but had ${bytes} when`));
  t.regex(
    (await described(text.replace('"lr":0.1', '"lr":0.2'), at))!,
    /is not as it was when .* step 2, so/,
  );
  t.regex((await described(line(2) + line(1), at))!, /is not as it was/);
  t.is(await described(line(2) + line(1), atTwo), null, 'a checkpoint of an earlier version');
  await rm(file);
  t.regex((await logChange(file, at))!, /metrics\.jsonl has 0 bytes/);
  t.is(await logChange(file, position(0, 0)), null);
});
