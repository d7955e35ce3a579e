// lib/examples/similar.mjs: starts the service with a small network, and uploads images with fetch and through the page in
// a browser.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openBrowser } from '../browser.ts';
import { classNames, temporary, writeImages } from '../train/tiny-data.ts';
import { writeRun } from './network.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Starts the service and returns the address that it prints. */
function serve(run: string, images: string): { child: ChildProcess; address: Promise<string> } {
  const args = [join(root, 'lib/examples/similar.mjs'), run, images, '0'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const address = new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout!.on('data', (text) => {
      said += text;
      const found = /http:\/\/\S+/.exec(said)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.on('close', (code) => reject(new Error(`the service ended with ${code}: ${said}`)));
  });
  return { child, address };
}

interface Answer {
  error?: string;
  results?: { image: string; class: string; distance: number }[];
  embedMs?: number;
}

test('the service answers an upload with images of its class, and a bad upload with one sentence', async (t) => {
  const { path, remove } = await temporary();
  const images = join(path, 'images');
  await writeImages(images, classNames(32), 5);
  await writeFile(join(images, 'class-00', 'damaged.png'), 'no image');
  const run = join(path, 'run');
  await writeRun(run);
  const { child, address } = serve(run, images);
  const stopped = once(child, 'exit');
  try {
    const at = await address;
    const upload = join(images, 'class-03', '1.jpg');
    const search = async (body: Uint8Array | string): Promise<Answer> =>
      (await fetch(`${at}/search`, { method: 'POST', body })).json() as Promise<Answer>;

    const { results, embedMs } = await search(await readFile(upload));
    t.true(embedMs! > 0);
    t.is(child.exitCode, null);
    t.is(results!.length, 12);
    t.true(results![0]!.distance < 1e-3 && results![0]!.class.includes('class-03'));
    t.true(results!.every(({ distance }, i) => i === 0 || distance >= results![i - 1]!.distance));
    const image = await fetch(`${at}${results![0]!.image}`);
    t.deepEqual(Buffer.from(await image.arrayBuffer()), await readFile(upload));
    t.is((await search('no image')).error, 'the upload is not a readable image, or it is too large');
    t.is((await fetch(`${at}/image/../../etc/passwd`)).status, 404);
    t.is(image.headers.get('content-type'), 'image/jpeg');
    t.is(image.headers.get('x-content-type-options'), 'nosniff');
    const policy = (await fetch(at)).headers.get('content-security-policy')!;
    t.regex(policy, /^default-src 'none'; .*script-src 'sha256-[\w+/]{43}=';/);
    const foreign = {
      method: 'POST',
      body: await readFile(upload),
      headers: { origin: 'http://elsewhere.example' },
    };
    t.is((await fetch(`${at}/search`, foreign)).status, 403);
    const statusFor = (host: string, method = 'GET') =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request(`${at}/health`, { method, headers: { host } }, ({ statusCode }) =>
          resolve(statusCode),
        );
        asked.on('error', reject).end();
      });
    t.is(await statusFor('rebound.example'), 403);
    t.is(await statusFor('10.0.0.7.example:8080'), 403);
    for (const host of ['10.0.0.7:8080', '[fd00::7]:8080', 'localhost'])
      t.is(await statusFor(host), 200, host);
    t.is(await statusFor('10.0.0.7', 'HEAD'), 200);
    t.is(await statusFor('10.0.0.7', 'PUT'), 405);

    const form = new FormData();
    form.set('comment', 'no file');
    const sent = async (): Promise<[number, Answer]> => {
      const answer = await fetch(`${at}/search`, { method: 'POST', body: form });
      return [answer.status, (await answer.json()) as Answer];
    };
    const reason = 'expected an image as the body or as a file of a form';
    t.deepEqual(await sent(), [400, { error: reason }]);
    form.set('image', new Blob([await readFile(upload)]), '1.jpg');
    const [status, answer] = await sent();
    t.is(status, 200);
    t.deepEqual(answer.results, results);
    const headers = { 'content-type': 'multipart/form-data' }; // without a boundary
    const broken = await fetch(`${at}/search`, { method: 'POST', body: 'x', headers });
    t.deepEqual([broken.status, await broken.json()], [400, { error: reason }]);

    const large = request(`${at}/search`, { method: 'POST', headers: { 'content-length': 3e7 } });
    large.on('error', () => {}); // the service closes the connection
    large.flushHeaders();
    const [{ statusCode }] = (await once(large, 'response')) as [{ statusCode: number }];
    t.is(statusCode, 413);
    large.destroy();

    const slow = Array.from({ length: 32 }, () => request(`${at}/search`, { method: 'POST' }));
    for (const each of slow) each.on('error', () => {}).write('the beginning');
    let busy = 0;
    while (busy < 32)
      busy = ((await (await fetch(`${at}/health`)).json()) as { searching: number }).searching;
    const refused = await fetch(`${at}/search`, { method: 'POST', body: 'x' });
    t.is(refused.status, 503);
    for (const each of slow) each.destroy();
    while (busy > 0) busy = ((await (await fetch(`${at}/health`)).json()) as { searching: number }).searching;
    t.is((await search(await readFile(upload))).results!.length, 12);

    const browser = await openBrowser();
    if (browser === null) return t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    const page = await browser.newPage({ viewport: { width: 400, height: 800 } });
    const errors: string[] = [];
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(at);
    t.true((await page.content()).includes('<link rel="icon" href="data:,">'), 'requests no /favicon.ico');
    await page.setInputFiles('input', upload);
    await page.waitForSelector('figure:nth-child(12)');
    t.is(await page.evaluate<number>('document.documentElement.scrollWidth'), 400);
    t.regex((await page.textContent('figcaption'))!, /class-03 0\.000/);
    t.deepEqual(errors, []);
    await browser.close();
  } finally {
    child.kill();
    t.deepEqual(await stopped, [0, null], 'SIGTERM shuts the service down cleanly');
    await remove();
  }
});
