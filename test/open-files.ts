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
 * Remembers what is open, and returns a function that lists what was opened since and stays open: the system closes the
 * files of an ended thread only shortly after its end. Event loops and pipes of Node itself are not counted.
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
