// lib/examples/similar.mjs: trains a small network, starts the service, uploads a picture as a program and as a person does.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { train } from '../../lib/train/index.ts';
import { openBrowser } from '../browser.ts';
import { classNames, temporary, tinyRun, writePictures } from './tiny-data.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Starts the service; the address that it prints. */
function serve(run: string, pictures: string): { child: ChildProcess; address: Promise<string> } {
  const args = [join(root, 'lib/examples/similar.mjs'), run, pictures, '0'];
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
  results?: { picture: string; class: string; distance: number }[];
}

test('the service answers an upload with pictures of its class, a bad one with a sentence', async (t) => {
  const { path, remove } = await temporary();
  const pictures = join(path, 'pictures');
  await writePictures(pictures, classNames(32), 5);
  const { folder } = await train({ ...tinyRun, path: pictures, eval_ep: '[]', runs: path, threads: 1 });
  const { child, address } = serve(folder!, pictures);
  try {
    const at = await address;
    const upload = join(pictures, 'class-03', '1.jpg');
    const search = async (body: Uint8Array | string): Promise<Answer> =>
      (await fetch(`${at}/search`, { method: 'POST', body })).json() as Promise<Answer>;

    const { results } = await search(await readFile(upload));
    t.is(results!.length, 12);
    t.true(results![0]!.distance < 1e-3 && results![0]!.class.includes('class-03'));
    t.true(results!.every(({ distance }, i) => i === 0 || distance >= results![i - 1]!.distance));
    const picture = await fetch(`${at}${results![0]!.picture}`);
    t.deepEqual(Buffer.from(await picture.arrayBuffer()), await readFile(upload));
    t.is((await search('no picture')).error, 'this is no picture that can be read');
    t.is((await fetch(`${at}/picture/../../etc/passwd`)).status, 404);

    const browser = await openBrowser();
    if (browser === null) return t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    const page = await browser.newPage({ viewport: { width: 400, height: 800 } });
    await page.goto(at);
    await page.setInputFiles('input', upload);
    await page.waitForSelector('figure:nth-child(12)');
    t.is(await page.evaluate<number>('document.documentElement.scrollWidth'), 400);
    t.regex((await page.textContent('figcaption'))!, /class-03 0\.000/);
    await browser.close();
  } finally {
    child.kill();
    await remove();
  }
});
