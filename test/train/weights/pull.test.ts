import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import ava from 'ava';
import { findWeights } from '../../../lib/train/weights/load.ts';
import { findPulled, pullWeights } from '../../../lib/train/weights/pull.ts';
import { hash, host, quick, send, sha256, weights } from './host.ts';

// Serial, because some tests change the responses of a shared host.
const test = ava.serial;

/** The names of all files below a folder. */
async function files(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

test('verifies a hash in the header of a redirect, as sent by huggingface.co', async (t) => {
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

test('resumes an interrupted download in the next call', async (t) => {
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

/** Returns the note of a partial download that received these bytes. */
const noteOf = (url: string, bytes: Buffer): string =>
  JSON.stringify({ url, version: '"v1"', bytes: bytes.length, crc32: crc32(bytes) });

test('does not complete a partial file that was damaged in the meantime', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const url = `${at.url}/a.pth`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  const first = weights.subarray(0, 1000);
  const damaged = Buffer.from(first);
  damaged[500]! ^= 1;
  for (const [part, range] of [
    [first, 'bytes=1000-'],
    [damaged, undefined],
    [first.subarray(0, 999), undefined],
    [Buffer.concat([first, Buffer.alloc(50)]), 'bytes=1000-'],
    [Buffer.concat([weights, Buffer.alloc(50)]), 'bytes=1000-'],
  ] as const) {
    for (const name of ['', '.json']) await rm(path + name);
    await writeFile(`${path}.part`, part);
    await writeFile(`${path}.part.json`, noteOf(url, first));
    t.is((await pullWeights(url, { cache: at.cache, ...quick })).sha256, hash);
    t.is(at.ranges.at(-1), range);
  }
});

test('uses a partial file that is already complete', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const url = `${at.url}/a.pth`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  await rm(path);
  await writeFile(`${path}.part`, weights);
  await writeFile(`${path}.part.json`, noteOf(url, weights));
  const pulled = await pullWeights(url, { cache: at.cache, ...quick });
  t.deepEqual([pulled.sha256, pulled.bytes, pulled.checked], [hash, weights.length, 'earlier']);
  t.is(at.ranges.at(-1), `bytes=${weights.length}-`);
});

test('ignores an invalid note of a download, and downloads the file again', async (t) => {
  await using at = await host((request, response) => send(request, response, { headers: { etag: '"v1"' } }));
  const url = `${at.url}/a.pth`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  for (const note of [
    '',
    'null',
    '[]',
    JSON.stringify({ url }),
    JSON.stringify({ url, version: 1 }),
    JSON.stringify({ url, version: '"v1"' }),
    noteOf(url, Buffer.from('of something other')),
    noteOf(url, Buffer.from('of something longer than the file')),
    JSON.stringify({ url: [url], version: '"v1"' }),
    JSON.stringify({ url: `${url}/b`, version: '"v1"' }),
    `{"url":${'['.repeat(900_000)}`,
    ' '.repeat(2 ** 21),
  ]) {
    await rm(path);
    await writeFile(`${path}.part`, 'of something else');
    await writeFile(`${path}.part.json`, note);
    at.ranges.length = 0;
    const pulled = await pullWeights(url, { cache: at.cache, ...quick });
    t.deepEqual([pulled.sha256, pulled.fresh], [hash, true], note.slice(0, 80));
    t.deepEqual(at.ranges.filter(Boolean), [], 'the download does not continue');
  }
  // Damaged records of a finished download are handled in the same way.
  for (const record of [
    'null',
    JSON.stringify({ url, bytes: -1, sha256: hash, checked: 'host' }),
    '['.repeat(2 ** 21),
  ]) {
    await writeFile(`${path}.json`, record);
    t.true((await pullWeights(url, { cache: at.cache, ...quick })).fresh, record.slice(0, 80));
  }
});

test('rejects and removes a file whose hash differs from the announced one', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { headers: { etag: `"${'ab'.repeat(32)}"` } }),
  );
  await t.throwsAsync(pullWeights(`${at.url}/a.pth`, { cache: at.cache, ...quick }), {
    code: 'ERR_HOROBALL_HASH',
    message: new RegExp(`expected SHA-256 (ab){32} \\(reported by the host\\), got ${hash}`),
  });
  t.deepEqual(await files(at.cache), []);
});

test("verifies the hash in a file's name, and does not take a date for one", async (t) => {
  await using at = await host((request, response) => send(request, response));
  const pull = (name: string) => pullWeights(`${at.url}/${name}`, { cache: at.cache, ...quick });
  t.is((await pull(`vit-${hash.slice(0, 8)}.pth`)).checked, 'name');
  t.is((await pull(`vit-${hash}.pth`)).checked, 'name');
  t.is((await pull('vit-20210601.pth')).checked, 'first');
  const wrong = hash.startsWith('deadbeef') ? 'deadbee0' : 'deadbeef';
  await t.throwsAsync(pull(`vit-${wrong}.pth`), { code: 'ERR_HOROBALL_HASH', message: /stated in its name/ });
});

test('without a hash, records that of the first download, which later ones must match', async (t) => {
  let body = weights;
  await using at = await host((request, response) => send(request, response, { body }));
  const url = `${at.url}/a.pth?download=1`;
  const first = await pullWeights(url, { cache: at.cache, ...quick });
  t.is(first.checked, 'first');

  // A damaged file in the cache is detected and downloaded again.
  await writeFile(first.path, 'damaged');
  const again = await pullWeights(url, { cache: at.cache, ...quick });
  t.deepEqual([again.fresh, again.checked, again.sha256], [true, 'earlier', hash]);

  body = randomBytes(1000);
  await rm(first.path);
  await t.throwsAsync(pullWeights(url, { cache: at.cache, ...quick }), {
    code: 'ERR_HOROBALL_HASH',
    message: /of an earlier download.*--force/,
  });
  t.false(existsSync(first.path));
  const forced = await pullWeights(url, { cache: at.cache, force: true, ...quick });
  t.deepEqual([forced.checked, forced.sha256], ['first', sha256(body)]);
});

test('only one process downloads a file at a time, and one that has ended does not block others', async (t) => {
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
    message: /is downloading it/,
  });
  answer();
  const { path } = await first;
  await rm(path);
  // No process has this pid: the limit on Linux is 2^22.
  await writeFile(join(dirname(path), 'a.pth.part.lock'), '99999999');
  t.is((await pullWeights(url, { cache: at.cache, ...quick })).sha256, hash);
});

test('the command downloads, names the source of the hash, and finds the file the second time', async (t) => {
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
  t.regex(first.stderr, /Downloaded: .*a\.pth\nSHA-256 [0-9a-f]{64}, as reported by the host\./);
  t.regex((await pull('pull', url)).stderr, /^Already downloaded: /);
  t.regex((await pull('list')).stdout, /dino_deitsmall16_pretrain +dino_vits16 .* no$/m);
  const unknown = await t.throwsAsync(pull('pull', 'resnet50'));
  t.is((unknown as Error & { code: unknown }).code, 2);
});

test('the error for an unknown name suggests similar ones', async (t) => {
  await t.throwsAsync(pullWeights('resnet50', { cache: tmpdir() }), {
    code: 'ERR_HOROBALL_OPTION',
    message: /name of published weights, got 'resnet50'\. The nearest names are dino_vits16, /,
  });
  await t.throwsAsync(pullWeights(fileURLToPath(import.meta.url), { cache: tmpdir() }), {
    code: 'ERR_HOROBALL_OPTION',
    message: /source: expected an http\(s\) URL or the name of .*, got '.*'\. A file needs no download/,
  });
  await t.throwsAsync(pullWeights('timm/vit_small_patch16_224', { cache: tmpdir() }), {
    code: 'ERR_HOROBALL_OPTION',
    message: /got 'timm\/vit_small_patch16_224'\. The nearest names are /,
  });
  await t.throwsAsync(pullWeights('ftp://host/a.pth', { cache: tmpdir() }), { code: 'ERR_HOROBALL_OPTION' });
});

test('does not wait for a pipe in place of a cached file', async (t) => {
  if (process.platform === 'win32') return t.pass();
  await using at = await host((request, response) => send(request, response, {}));
  const url = `${at.url}/piped.pth`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  await rm(path);
  await promisify(execFile)('mkfifo', [path]);
  t.is(await findPulled(url, at.cache), null);
  t.true((await pullWeights(url, { cache: at.cache, ...quick })).fresh);
  t.deepEqual(await readFile(path), weights);
});

test('URLs that differ in characters of their path do not share a file', async (t) => {
  await using at = await host((request, response) =>
    send(request, response, { body: Buffer.from(request.url!) }),
  );
  const long = 'a'.repeat(130);
  const names = [
    'm;v=1.pth',
    'm_v=1.pth',
    'm:v=1.pth',
    'v/1.pth',
    'v//1.pth',
    `1${long}`,
    `2${long}`,
    'm?a',
    'm?b',
  ];
  const paths = new Set<string>();
  for (const name of [...names, ...names]) {
    const { path } = await pullWeights(`${at.url}/${name}`, { cache: at.cache, ...quick });
    t.is(await readFile(path, 'utf8'), `/${name}`);
    paths.add(path);
  }
  t.is(paths.size, names.length);
  t.true([...paths].some((path) => path.endsWith('/v/1.pth')));
});

test('a record of another URL does not count', async (t) => {
  await using at = await host((request, response) => send(request, response, {}));
  const url = `${at.url}/a.pth`;
  const { path, ...first } = await pullWeights(url, { cache: at.cache, ...quick });
  await writeFile(path, 'of a host without TLS');
  const other = {
    ...first,
    bytes: 21,
    sha256: sha256(await readFile(path)),
    url: url.replace('http:', 'https:'),
  };
  await writeFile(`${path}.json`, JSON.stringify(other));
  t.is(await findPulled(url, at.cache), null);
  t.deepEqual(await readFile((await pullWeights(url, { cache: at.cache, ...quick })).path), weights);
});

test('does not read a sparse file in place of a cached one', async (t) => {
  await using at = await host((request, response) => send(request, response, {}));
  const url = `${at.url}/sparse.pth`;
  const { path, ...first } = await pullWeights(url, { cache: at.cache, ...quick });
  const bytes = 2 ** 40;
  await truncate(path, bytes);
  t.is(await findPulled(url, at.cache), null);
  await writeFile(`${path}.json`, JSON.stringify({ ...first, bytes }));
  t.is(await findPulled(url, at.cache), null);
  t.true((await pullWeights(url, { cache: at.cache, ...quick })).fresh);
  t.deepEqual(await readFile(path), weights);
});

test('does not accept a file that replaced the partial download', async (t) => {
  if (process.platform === 'win32') return t.pass(); // an open file cannot be replaced
  const replacements = [
    (part: string) => writeFile(part, 'other weights'),
    (part: string) => symlink(process.execPath, part),
    (_: string) => Promise.resolve(),
    async (part: string) => {
      await writeFile(part, weights); // of a process that took over the download
      await rm(`${part}.lock`);
    },
  ];
  for (const replace of replacements) {
    await using at = await host((request, response) => send(request, response, {}));
    const url = `${at.url}/a.pth`;
    let replaced = false;
    const onProgress = async (): Promise<void> => {
      if (replaced) return;
      replaced = true;
      const part = join(at.cache, new URL(url).host.replace(':', '_'), 'a.pth.part');
      await rm(part);
      await replace(part);
    };
    const code = 'ERR_HOROBALL_DOWNLOAD';
    const pulled = pullWeights(url, { cache: at.cache, onProgress, ...quick });
    await t.throwsAsync(pulled, { code, message: /another program replaced/ });
    t.is(await findPulled(url, at.cache), null);
  }
});

test('does not load a cached file that was changed after the download', async (t) => {
  await using at = await host((request, response) => send(request, response, {}));
  const url = `${at.url}/a.safetensors`;
  const { path } = await pullWeights(url, { cache: at.cache, ...quick });
  t.is(await findWeights(url, at.cache), path);
  const flipped = Buffer.from(weights);
  flipped[200_000]! ^= 4;
  await writeFile(path, flipped);
  await t.throwsAsync(findWeights(url, at.cache), {
    code: 'ERR_HOROBALL_HASH',
    message:
      /\[weights\] source: expected .*a\.safetensors as it was downloaded.* got .*weights pull .*a\.safetensors/,
  });
  t.true((await pullWeights(url, { cache: at.cache, ...quick })).fresh);
  t.is(await findWeights(url, at.cache), path);
});
