import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { checkHeld, lockRun, lostLock, runHolder } from '../../../lib/train/run/lock.ts';
import { temporary } from '../data/support.ts';

test('rejects a second run in a locked folder, and accepts it after the release', async (t) => {
  const folder = await temporary(t);
  const lock = await lockRun(folder);
  t.truthy(await runHolder(folder));
  await t.throwsAsync(lockRun(folder), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message:
      /resume: expected a run folder that is not in use, got .*: another call in this process is still using it\. Wait until it ends\./,
  });
  await lock.release();
  t.is(await runHolder(folder), null);
  await (await lockRun(folder)).release();
});

test('a folder that was never locked has no holder', async (t) => {
  t.is(await runHolder(join(await temporary(t), 'missing')), null);
});

test('a lost lock causes an error that names the folder and the reason', (t) => {
  const error = lostLock('runs/a', 'process 7 is using it now');
  t.is((error as Error & { code: string }).code, 'ERR_HOROBALL_RUN_BUSY');
  t.regex(error.message, /^\[train\] runs: .* exclusive use of runs\/a, but process 7 .*resume the run/);
});

test('a command that did not hold its lock throughout has to run again', async (t) => {
  const folder = await temporary(t);
  const lock = await lockRun(folder);
  await checkHeld(folder, lock, '[eval] save_emb');
  await rm(lock.path);
  await t.throwsAsync(checkHeld(folder, lock, '[eval] save_emb'), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message:
      /^\[eval\] save_emb: .*, but its lock was moved or deleted\. Run the command again when no other process uses the folder\.$/,
  });
  await using _ = await lockRun(folder);
  await t.throwsAsync(checkHeld(folder, lock), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message: /^\[train\] resume: .* is using it now\. Run the command again when/,
  });
  await lock.release();
});
