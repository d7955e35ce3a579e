import { basename, resolve } from 'node:path';
import type { Html } from '../report/html.ts';
import { runPage } from '../report/run/page.ts';
import { defaultPort, headers, LocalServer, sendPage } from './local-server.ts';
import { type ListedRun, RunsFolder, type ShownRun } from './runs-folder.ts';
import { chosen, runsPage, runsPart, type Selection, script, selectionOf } from './runs-page.ts';

/**
 * Serves a folder of runs on 127.0.0.1: at `/` all runs, at `/part` the changing part of that page, and at `/run?path=` the
 * current report of a run.
 * @param port - 0 picks a free port
 * @throws `ERR_HOROBALL_RUN` if the path is not a folder; `ERR_HOROBALL_PORT` if the port is in use or not permitted
 */
export async function serveRuns(path: string, port: number = defaultPort): Promise<LocalServer> {
  const folder = await RunsFolder.open(path);
  return await LocalServer.open(async ({ pathname, searchParams }, response) => {
    const selection = selectionOf(searchParams);
    if (pathname === '/') {
      sendPage(
        response,
        runsPage(basename(resolve(path)), selection, await partOf(folder, selection)),
        script,
      );
    } else if (pathname === '/part') {
      response.writeHead(200, { ...headers(), 'content-type': 'text/html; charset=utf-8' });
      response.end((await partOf(folder, selection)).text);
    } else if (pathname === '/run') {
      const wanted = searchParams.get('path');
      const run = (await folder.list()).find((each) => each.path === wanted);
      if (run === undefined) return false;
      sendPage(response, runPage(await folder.readRecord(run)));
    } else return false;
    return true;
  }, port);
}

async function partOf(folder: RunsFolder, selection: Selection): Promise<Html> {
  const runs = await folder.list();
  const { rows, lines, total } = chosen(runs, selection);
  return runsPart(await readAll(folder, rows), await readAll(folder, lines), total, Date.now());
}

/** Reads runs one at a time, because reading all of them at once would need as many open files. */
async function readAll(folder: RunsFolder, runs: readonly ListedRun[]): Promise<ShownRun[]> {
  const shown: ShownRun[] = [];
  for (const run of runs) shown.push(await folder.read(run));
  return shown;
}
