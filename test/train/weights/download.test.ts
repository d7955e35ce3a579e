import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import ava from 'ava';
import { type Downloaded, type DownloadOptions, download } from '../../../lib/train/weights/download.ts';
import { type Host, hash, host, quick, send, weights } from './host.ts';

// Serial, because some tests wait for stalled connections.
const test = ava.serial;

/** Downloads a file from a host into the cache. */
async function fetched(
  at: Host,
  options: DownloadOptions,
): Promise<{ bytes: Buffer; announced: Downloaded }> {
  const path = join(at.cache, 'a.pth.part');
  const announced = await download(new URL(`${at.url}/a.pth`), path, options);
  return { bytes: await readFile(path), announced };
}

test('resumes a dropped connection where it stopped', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { headers: { etag: '"v1"', 'x-linked-etag': hash }, stopAfter: 70_000 }),
  );
  const got = await fetched(at, { ...quick, attempts: 2 });
  t.deepEqual(got.bytes, weights);
  t.is(at.ranges[0], undefined);
  const starts = at.ranges.slice(1).map((range) => Number(/\d+/.exec(range ?? '')?.[0]));
  t.true(starts.length >= 4);
  t.true(starts.every((start, i) => start > (starts[i - 1] ?? 0)));
});

test('a stalled connection counts as dropped', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, {
      headers: { 'last-modified': 'Tue, 01 Jun 2021 00:00:00 GMT' },
      stopAfter: asked === 1 ? 100_000 : Infinity,
      stall: true,
    }),
  );
  const got = await fetched(at, { pause: 1, patience: 1000 });
  t.deepEqual(got.bytes, weights);
  t.is(at.ranges.at(-1), 'bytes=100000-');
});

test('requests the whole file again from a host without Range support', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, {
      headers: { etag: '"v1"' },
      noRange: true,
      stopAfter: asked < 3 ? 100_000 : Infinity,
    }),
  );
  const got = await fetched(at, quick);
  t.deepEqual(got.bytes, weights);
  t.is(at.ranges.length, 3);
});

test('a file without a version is never assembled from two responses', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, { stopAfter: asked === 1 ? 100_000 : Infinity }),
  );
  const got = await fetched(at, quick);
  t.deepEqual(got.bytes, weights);
  t.deepEqual(at.ranges, [undefined, undefined]);
});

for (const ignoreIfRange of [false, true])
  test(`a file that changes between two attempts is downloaded from the start${ignoreIfRange ? ', whatever the host sends' : ''}`, async (t) => {
    const newer = randomBytes(200_000);
    await using at = await host((request, response, asked) =>
      asked === 1
        ? send(request, response, { headers: { etag: '"v1"' }, stopAfter: 150_000 })
        : send(request, response, { body: newer, headers: { etag: '"v2"' }, ignoreIfRange }),
    );
    const got = await fetched(at, quick);
    t.deepEqual(got.bytes, newer);
  });

test('permanent errors fail immediately, others after several attempts', async (t) => {
  await using missing = await host((_, response) => void response.writeHead(404).end('no'));
  await t.throwsAsync(fetched(missing, quick), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /download .*a\.pth, but the host does not have this file \(404\)/,
  });
  t.is(missing.ranges.length, 1);
  t.deepEqual(await readdir(missing.cache), [], 'there is nothing to resume');

  await using loop = await host((_, response) => void response.writeHead(302, { location: '/a.pth' }).end());
  await t.throwsAsync(fetched(loop, quick), {
    message: /redirects in a loop/,
  });

  await using busy = await host((request, response, asked) =>
    asked < 3 ? void response.writeHead(asked === 1 ? 429 : 503).end() : send(request, response),
  );
  t.deepEqual((await fetched(busy, quick)).bytes, weights);

  await using broken = await host((request) => request.socket.destroy());
  await t.throwsAsync(fetched(broken, { ...quick, attempts: 3 }), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /\(3 attempts\)/,
  });
  t.is(broken.ranges.length, 3);
  t.deepEqual(await readdir(broken.cache), []);
});

test('an abort rejects with its reason and keeps the resumable file', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const stop = new AbortController();
  const onProgress = (done: number): void => {
    if (done > 0) stop.abort(new Error('enough'));
  };
  await t.throwsAsync(fetched(at, { signal: stop.signal, onProgress, ...quick }), { message: 'enough' });
  t.deepEqual((await readdir(at.cache)).toSorted(), ['a.pth.part', 'a.pth.part.json']);
  const seen: (number | null)[][] = [];
  const got = await fetched(at, { onProgress: (...progress) => void seen.push(progress), ...quick });
  t.deepEqual(got.bytes, weights);
  t.true(seen[0]![0]! > 0);
  t.deepEqual(seen.at(-1), [weights.length, weights.length]);
  t.deepEqual(await readdir(at.cache), ['a.pth.part']);
});

test('does not continue a partial file of another URL', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  await writeFile(join(at.cache, 'a.pth.part'), 'of something else');
  const received = { bytes: 17, crc32: crc32('of something else') };
  const note = { url: `${at.url}/b.pth`, version: '"v1"', ...received };
  await writeFile(join(at.cache, 'a.pth.part.json'), JSON.stringify(note));
  t.deepEqual((await fetched(at, quick)).bytes, weights);
  t.deepEqual(at.ranges, [undefined]);
});

test('takes the announced hash from the first header that has one', async (t) => {
  const other = 'ab'.repeat(32);
  const cases: [Record<string, string>, string | null][] = [
    [{ 'x-linked-etag': `"${hash}"`, etag: `"${other}"` }, hash],
    [{ etag: `W/"${hash.toUpperCase()}"` }, hash],
    [{ etag: '"v1"' }, null],
    [{}, null],
  ];
  for (const [headers, wanted] of cases) {
    await using at = await host((request, response) => send(request, response, { headers }));
    const { announced } = await fetched(at, quick);
    t.deepEqual(announced, { bytes: weights.length, sha256: wanted });
  }
});

test('rejects a link in place of a partial download or its note, and writes nothing through it', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const outside = join(at.cache, 'outside');
  for (const name of ['a.pth.part', 'a.pth.part.json']) {
    await writeFile(outside, 'kept');
    await symlink(outside, join(at.cache, name));
    await t.throwsAsync(fetched(at, quick), { code: 'ERR_HOROBALL_FORMAT', message: /got a link/ });
    t.is(await readFile(outside, 'utf8'), 'kept');
    await rm(join(at.cache, name));
  }
});

test('rejects a redirect to an invalid URL or to another protocol', async (t) => {
  for (const location of ['http://[', 'data:text/plain,weights', 'file:///etc/hostname']) {
    await using at = await host((_, response) => response.writeHead(302, { location }).end());
    await t.throwsAsync(fetched(at, quick), {
      code: 'ERR_HOROBALL_DOWNLOAD',
      message: /the host redirects to/,
    });
    t.is(at.ranges.length, 1);
  }
});
