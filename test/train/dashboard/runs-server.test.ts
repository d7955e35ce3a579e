import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { serveRuns } from '../../../lib/train/dashboard/runs-server.ts';
import { temporary, writeTree } from '../data/support.ts';
import { runFiles } from '../fake-run.ts';

const textOf = async (url: string): Promise<string> => await (await fetch(url)).text();

test('the page lists single runs and runs of studies, follows their progress, and opens their reports', async (t) => {
  const folder = await temporary(t);
  await writeTree(join(folder, 'one'), runFiles(3));
  await writeTree(join(folder, 'sweep', 'runs', 'two'), runFiles(4));
  await using server = await serveRuns(folder, 0);
  const page = await textOf(server.url);
  t.regex(page, /href="run\?path=one"/);
  t.regex(page, /href="run\?path=sweep%2Fruns%2Ftwo"/);

  await writeTree(join(folder, 'one'), runFiles(57));
  t.regex(await textOf(`${server.url}part`), /<td>57<\/td>/);
  await rm(join(folder, 'one'), { recursive: true });
  t.notRegex(await textOf(`${server.url}part`), /path=one/);

  const report = await fetch(`${server.url}run?path=${encodeURIComponent('sweep/runs/two')}`);
  t.is(report.status, 200);
  t.regex(await report.text(), /<h1>two<\/h1>/);
});

test('serves only listed runs, so no path leads out of the folder', async (t) => {
  const folder = await temporary(t);
  await writeTree(join(folder, 'inside', 'one'), runFiles(3));
  await writeTree(join(folder, 'outside'), runFiles(3));
  await symlink(join(folder, 'outside'), join(folder, 'inside', 'link'));
  await using server = await serveRuns(join(folder, 'inside'), 0);
  t.notRegex(await textOf(server.url), /link/);
  for (const path of ['../outside', 'link', '/etc', '', 'one/../../outside']) {
    t.is((await fetch(`${server.url}run?path=${encodeURIComponent(path)}`)).status, 404, path);
  }
  t.is((await fetch(`${server.url}run`)).status, 404);
});

test('rejects a missing folder, and reports a run that becomes unreadable', async (t) => {
  const folder = await temporary(t);
  await t.throwsAsync(serveRuns(join(folder, 'missing'), 0), {
    code: 'ERR_HOROBALL_RUN',
    message: /does not exist/,
  });
  await writeTree(join(folder, 'one'), runFiles(3));
  await writeTree(join(folder, 'one'), { 'config.json': '{' });
  await using server = await serveRuns(folder, 0);
  t.regex(await textOf(server.url), /config\.json/);
  t.is((await fetch(`${server.url}run?path=one`)).status, 500);
});
