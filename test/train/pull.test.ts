import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import ava from 'ava';
import { findPulled, pullWeights } from '../../lib/train/weights/pull.ts';

// One after the other: some tests wait for connections that stand still.
const test = ava.serial;

const weights = randomBytes(300_000);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const hash = sha256(weights);

/** Answers one request; `asked` counts the requests for the path, this one included. */
type Answer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

interface Host {
  url: string;
  cache: string;
  /** The Range header of each request. */
  ranges: (string | undefined)[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** A host on this machine that gives every answer by `answer`, and an empty cache. */
async function host(answer: Answer): Promise<Host> {
  const cache = await mkdtemp(join(tmpdir(), 'horoball-pull-'));
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    cache,
    ranges,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await rm(cache, { recursive: true, force: true });
    },
  };
}

interface Sending {
  body?: Buffer;
  headers?: Record<string, string>;
  /** Bytes after which the connection breaks, or stands still. */
  stopAfter?: number;
  stall?: boolean;
  noRange?: boolean;
  /** Answers with a range even if the file is another one by now. */
  ignoreIfRange?: boolean;
}

/** Sends a file as a host does that knows Range and If-Range, or stops in its middle. */
function send(request: IncomingMessage, response: ServerResponse, sending: Sending = {}): void {
  const { body = weights, headers = {}, stopAfter = Infinity, stall = false } = sending;
  const version = headers['etag'] ?? headers['last-modified'];
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const same = sending.ignoreIfRange || condition === undefined || condition === version;
  const start = wanted !== null && same && !sending.noRange ? Number(wanted[1]) : 0;
  if (start >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}`, ...headers }).end();
    return;
  }
  const range = start > 0 ? { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : {};
  const rest = body.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length, ...range, ...headers });
  if (rest.length <= stopAfter) {
    response.end(rest);
    return;
  }
  response.write(rest.subarray(0, stopAfter), () => {
    if (!stall) setTimeout(() => response.destroy(), 20);
  });
}

const quick = { pause: 1, patience: 5000 };

/** Everything below a folder, files only. */
async function files(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

test('a redirect whose header has the hash, as huggingface.co answers', async (t) => {
  await using at = await host((request, response) => {
    if (request.url === '/model/resolve/main/model.safetensors')
      response.writeHead(302, { location: '/cdn/blob', 'x-linked-etag': `"${hash}"` }).end();
    else send(request, response, { headers: { etag: `"${'0'.repeat(64)}"` } });
  });
  const url = `${at.url}/model/resolve/main/model.safetensors`;
  const seen: (number | null)[][] = [];
  const onProgress = (done: number, total: number | null): void => void seen.push([done, total]);
  t.is(await findPulled(url, at.cache), null);
  const first = await pullWeights(url, { cache: at.cache, onProgress, ...quick });
  t.is(first.checked, 'host');
  t.is(first.sha256, hash);
  t.is(first.bytes, weights.length);
  t.true(first.fresh);
  t.true(first.path.endsWith('/model/resolve/main/model.safetensors'));
  t.deepEqual(await readFile(first.path), weights);
  t.deepEqual(seen[0], [0, weights.length]);
  t.deepEqual(seen.at(-1), [weights.length, weights.length]);
  t.is((await findPulled(url, at.cache))?.path, first.path);

  const asked = at.ranges.length;
  t.deepEqual(await pullWeights(url, { cache: at.cache }), { ...first, fresh: false });
  t.is(at.ranges.length, asked);
  t.deepEqual((await files(at.cache)).toSorted(), ['model.safetensors', 'model.safetensors.json']);
});

test('connections that drop are taken up where they stopped', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { headers: { etag: '"v1"', 'x-linked-etag': hash }, stopAfter: 70_000 }),
  );
  const pulled = await pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick, attempts: 2 });
  t.is(pulled.sha256, hash);
  t.is(at.ranges[0], undefined);
  const starts = at.ranges.slice(1).map((range) => Number(/\d+/.exec(range ?? '')?.[0]));
  t.true(starts.length >= 4);
  t.true(starts.every((start, i) => start > (starts[i - 1] ?? 0)));
});

test('a connection that stands still counts as dropped', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, {
      headers: { 'last-modified': 'Tue, 01 Jun 2021 00:00:00 GMT' },
      stopAfter: asked === 1 ? 100_000 : Infinity,
      stall: true,
    }),
  );
  const pulled = await pullWeights(`${at.url}/a.pth`, { cache: at.cache, pause: 1, patience: 1000 });
  t.is(pulled.sha256, hash);
  t.is(at.ranges.at(-1), 'bytes=100000-');
});

test('a host without Range is asked for the whole file again', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, {
      headers: { etag: '"v1"' },
      noRange: true,
      stopAfter: asked < 3 ? 100_000 : Infinity,
    }),
  );
  const pulled = await pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick });
  t.is(pulled.sha256, hash);
  t.is(at.ranges.length, 3);
});

test('a file without a version is never joined from two answers', async (t) => {
  await using at = await host((request, response, asked) =>
    send(request, response, { stopAfter: asked === 1 ? 100_000 : Infinity }),
  );
  const pulled = await pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick });
  t.is(pulled.sha256, hash);
  t.deepEqual(at.ranges, [undefined, undefined]);
});

for (const ignoreIfRange of [false, true])
  test(`a file that changes between two attempts is started again${ignoreIfRange ? ', whatever the host sends' : ''}`, async (t) => {
    const newer = randomBytes(200_000);
    await using at = await host((request, response, asked) =>
      asked === 1
        ? send(request, response, { headers: { etag: '"v1"' }, stopAfter: 150_000 })
        : send(request, response, { body: newer, headers: { etag: '"v2"' }, ignoreIfRange }),
    );
    const pulled = await pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick });
    t.is(pulled.sha256, sha256(newer));
    t.deepEqual(await readFile(pulled.path), newer);
  });

test('a download that was broken off goes on in the next call', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const url = `${at.url}/a.pth`;
  const stop = new AbortController();
  const onProgress = (done: number): void => {
    if (done > 0) stop.abort(new Error('enough'));
  };
  const broken = pullWeights(url, { cache: at.cache, signal: stop.signal, onProgress, ...quick });
  await t.throwsAsync(broken, { message: 'enough' });
  t.true((await files(at.cache)).includes('a.pth.part'));
  const seen: number[] = [];
  const pulled = await pullWeights(url, {
    cache: at.cache,
    onProgress: (done) => void seen.push(done),
    ...quick,
  });
  t.is(pulled.sha256, hash);
  t.true(seen[0]! > 0);
  t.regex(at.ranges.at(-1) ?? '', /^bytes=[1-9]/);
  t.deepEqual((await files(at.cache)).toSorted(), ['a.pth', 'a.pth.json']);
});

test('a partial file that is whole already is taken as it is', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const url = `${at.url}/a.pth`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  await rm(path);
  await writeFile(`${path}.part`, weights);
  await writeFile(`${path}.part.json`, JSON.stringify({ url, version: '"v1"' }));
  const pulled = await pullWeights(url, { cache: at.cache, ...quick });
  t.deepEqual([pulled.sha256, pulled.bytes, pulled.checked], [hash, weights.length, 'earlier']);
  t.is(at.ranges.at(-1), `bytes=${weights.length}-`);
});

test('a file with another hash than the host announced is refused, and nothing of it kept', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { headers: { etag: `"${'ab'.repeat(32)}"` } }),
  );
  await t.throwsAsync(pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick }), {
    code: 'ERR_HOROBALL_HASH',
    message: new RegExp(`has SHA-256 ${hash}, but the host announced (ab){32}`),
  });
  t.deepEqual(await files(at.cache), []);
});

test("the hash in a file's name is checked, and a date is not taken for one", async (t) => {
  await using at = await host((request, response) => send(request, response));
  const pull = (name: string) => pullWeights(`${at.url}/${name}`, { cache: at.cache, ...quick });
  t.is((await pull(`vit-${hash.slice(0, 8)}.pth`)).checked, 'name');
  t.is((await pull(`vit-${hash}.pth`)).checked, 'name');
  t.is((await pull('vit-20210601.pth')).checked, 'first');
  const wrong = hash.startsWith('deadbeef') ? 'deadbee0' : 'deadbeef';
  await t.throwsAsync(pull(`vit-${wrong}.pth`), { code: 'ERR_HOROBALL_HASH', message: /its name says/ });
});

test('without a hash the first download is remembered, and later ones must be the same', async (t) => {
  let body = weights;
  await using at = await host((request, response) => send(request, response, { body }));
  const url = `${at.url}/a.pth?download=1`;
  const first = await pullWeights(url, { cache: at.cache, ...quick });
  t.is(first.checked, 'first');

  // A damaged file in the cache is noticed and fetched again.
  await writeFile(first.path, 'damaged');
  const again = await pullWeights(url, { cache: at.cache, ...quick });
  t.deepEqual([again.fresh, again.checked, again.sha256], [true, 'earlier', hash]);

  body = randomBytes(1000);
  await rm(first.path);
  await t.throwsAsync(pullWeights(url, { cache: at.cache, ...quick }), {
    code: 'ERR_HOROBALL_HASH',
    message: /an earlier download had .*--force/,
  });
  t.false(existsSync(first.path));
  const forced = await pullWeights(url, { cache: at.cache, force: true, ...quick });
  t.deepEqual([forced.checked, forced.sha256], ['first', sha256(body)]);
});

test('what another attempt cannot mend fails at once, the rest after some attempts', async (t) => {
  await using missing = await host((_, response) => void response.writeHead(404).end('no'));
  await t.throwsAsync(pullWeights(`${missing.url}/a.pth`, { cache: missing.cache, ...quick }), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /a\.pth could not be downloaded: there is no such file \(404\)/,
  });
  t.is(missing.ranges.length, 1);
  t.deepEqual(await files(missing.cache), [], 'there is nothing to go on with');

  await using loop = await host((_, response) => void response.writeHead(302, { location: '/a.pth' }).end());
  await t.throwsAsync(pullWeights(`${loop.url}/a.pth`, { cache: loop.cache, ...quick }), {
    message: /redirects without end/,
  });

  await using busy = await host((request, response, asked) =>
    asked < 3 ? void response.writeHead(503).end() : send(request, response),
  );
  t.is((await pullWeights(`${busy.url}/a.pth`, { cache: busy.cache, ...quick })).sha256, hash);

  await using broken = await host((request) => request.socket.destroy());
  await t.throwsAsync(pullWeights(`${broken.url}/a.pth`, { cache: broken.cache, ...quick, attempts: 3 }), {
    code: 'ERR_HOROBALL_DOWNLOAD',
    message: /; 3 attempts failed/,
  });
  t.is(broken.ranges.length, 3);
  t.deepEqual(await files(broken.cache), []);
});

test('one file is downloaded by one process at a time, and a dead one does not block', async (t) => {
  const asked = new EventEmitter();
  await using at = await host((request, response, count) => {
    if (count > 1) send(request, response);
    else asked.emit('first', () => send(request, response));
  });
  const url = `${at.url}/a.pth`;
  const waiting = once(asked, 'first');
  const first = pullWeights(url, { cache: at.cache, ...quick });
  const [answer] = (await waiting) as [() => void];
  await t.throwsAsync(pullWeights(url, { cache: at.cache, ...quick }), {
    message: /downloading this file already/,
  });
  answer();
  const { path } = await first;
  await rm(path);
  // No process has this number: Linux stops at 2^22.
  await writeFile(join(dirname(path), 'a.pth.part.lock'), '99999999');
  t.is((await pullWeights(url, { cache: at.cache, ...quick })).sha256, hash);
});

test('the command downloads, says what the hash was compared with, and finds it the second time', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { headers: { etag: `"${hash}"` } }),
  );
  const run = promisify(execFile);
  const pull = (...args: string[]) =>
    run('node', ['dist/lib/cli/main.js', 'weights', ...args, '--cache', at.cache]);
  const url = `${at.url}/a.pth`;
  const first = await pull('pull', url, '--json');
  const pulled = JSON.parse(first.stdout) as Record<string, unknown>;
  t.deepEqual([pulled['sha256'], pulled['checked'], pulled['fresh']], [hash, 'host', true]);
  t.regex(first.stderr, /Downloaded: .*a\.pth\nSHA-256 [0-9a-f]{64}, as the host announced\./);
  t.regex((await pull('pull', url)).stderr, /^Already there: /);
  t.regex((await pull('list')).stdout, /dino_deitsmall16_pretrain +dino_vits16 +no/);
  const unknown = await t.throwsAsync(pull('pull', 'resnet50'));
  t.is((unknown as Error & { code: unknown }).code, 2);
});

test('an unknown name lists the known ones', async (t) => {
  await t.throwsAsync(pullWeights('resnet50', { cache: tmpdir() }), {
    code: 'ERR_HOROBALL_OPTION',
    message: /'resnet50': .* none of vit_small_patch16_224\.augreg_in21k_ft_in1k/,
  });
  await t.throwsAsync(pullWeights('ftp://host/a.pth', { cache: tmpdir() }), { code: 'ERR_HOROBALL_OPTION' });
});
