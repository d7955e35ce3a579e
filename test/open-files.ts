import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = '/proc/self/fd';

/** Paths of the files and devices that this process has open; empty if the system does not report them. */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith('/') && !target.startsWith('/proc/'));
}

/**
 * Records the open files, and returns a function that lists files that were opened later and stay open. That function
 * waits, because the system closes the files of an ended thread with a delay. Event loops and pipes of Node itself are not
 * counted.
 */
export async function watchOpenFiles(): Promise<() => Promise<string[]>> {
  const before = await openFiles();
  const opened = async (): Promise<string[]> => {
    const known = [...before];
    return (await openFiles()).filter((path) => {
      const at = known.indexOf(path);
      if (at >= 0) known.splice(at, 1);
      return at < 0;
    });
  };
  return async () => {
    for (let tries = 0; tries < 50 && (await opened()).length > 0; tries++) await sleep(100);
    return opened();
  };
}
