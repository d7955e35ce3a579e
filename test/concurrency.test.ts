// Concurrent calls give results that are bit-identical to those of sequential calls, even while others are aborted.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { Concurrent } from './concurrency-child.ts';

const child = fileURLToPath(new URL('concurrency-child.js', import.meta.url));

for (const size of ['1', '128'])
  test.serial(
    `64 calls in this environment and in each of 8 workers, with ${size} threads of libuv`,
    async (t) => {
      const env = { ...process.env, UV_THREADPOOL_SIZE: size };
      const { stdout } = await promisify(execFile)(process.execPath, [child], { env });
      const outcomes = JSON.parse(stdout) as Concurrent[];
      t.is(outcomes.length, 9);
      for (const { calls, aborted, different } of outcomes) {
        t.is(different, 0);
        t.is(calls, 64);
        t.true(aborted > 0);
      }
      t.log(outcomes.map(({ aborted }) => `${aborted} of 64 aborted`).join(', '));
    },
  );
