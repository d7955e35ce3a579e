// Setup for tests that train on a folder of images.
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { setThreads } from '../../../lib/train/index.ts';
import { classNames, temporary, writeImages } from '../tiny-data.ts';

interface Context {
  /** A data set of 32 classes. */
  root: string;
  /** Parent of the run folders. */
  runs: string;
  remove(): Promise<void>;
}

/** Creates a data set with this many images per class for the tests of a file, and limits libtorch to one thread. */
export function testOnImages(perClass: number): TestFn<Context> {
  const test = ava as TestFn<Context>;
  test.before(async (t) => {
    setThreads(1);
    const { path, remove } = await temporary();
    t.context = { root: join(path, 'images'), runs: join(path, 'runs'), remove };
    await writeImages(t.context.root, classNames(32), perClass);
  });
  test.after.always(async (t) => {
    await t.context.remove();
  });
  return test;
}
