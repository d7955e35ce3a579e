// Files that are not there, and places that take none: one sentence that names the file and says what to do.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { classNames, temporary, writePictures } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

const test = ava as TestFn<{ root: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, remove };
  await writeFile(join(path, 'file'), 'a file');
  await mkdir(join(path, 'folder'));
  await writePictures(join(path, 'pictures'), classNames(8), 2);
});
test.after.always((t) => t.context.remove());

/** No folder can be made in it and no file, by nobody: permissions do not bind root. */
const sealed = process.platform === 'linux' ? '/proc' : '/dev/null';

type Case = [args: string, code: number, sentence: RegExp];

const small = '--ds folder --path ROOT/pictures --model vit_nano --bs 4 --resize 48 --crop 48 --freeze None';
const cases: Case[] = [
  [`train ${small} --runs SEALED/x`, 1, /SEALED\/x: .*; name another place$/],
  [`train ${small} --runs ROOT/file`, 1, /ROOT\/file: it is a file where a folder should be; name another/],
  [`train ${small} --runs ROOT/file/x`, 1, /ROOT\/file\/x: a part of this path is a file, not a folder;/],
  [
    `train ${small} --runs ROOT/runs --cache SEALED/x`,
    1,
    /cache SEALED\/x could not be written \(.*\); name another place or/,
  ],
  [`train ${small} --weights ROOT/folder`, 1, /ROOT\/folder: it is a folder, not a file; name a file$/],
  ['train --ds shapes --path SEALED/x', 1, /SEALED\/x: .*; name another place$/],
  ['train --config none.json', 2, /config: expected .*none\.json \(there is no such file or folder\)$/],
  ['train --model none.json', 2, /model: expected .*none\.json \(there is no such file or folder\)$/],
  ['train --ds csv --path ROOT/folder', 1, /ROOT\/folder: it is a folder, not a file; name a CSV file/],
  ['sweep --out SEALED/x', 1, /SEALED\/x: .*; name another place$/],
  ['sweep --out ROOT/file', 1, /ROOT\/file\/runs: a part of this path is a file, not a folder; check/],
  [
    'embed run --out SEALED/x.npy',
    2,
    /out: expected a file in a folder that can be written to, got SEALED\/x/,
  ],
  ['embed run --out ROOT/file/x.npy', 2, /out: expected a file in a folder, got .*; ROOT\/file is none$/],
  ['embed run --out ROOT/none/x.npy', 2, /out: expected a file in a folder that exists, .*; make ROOT\/none/],
  ['eval run --per-query ROOT/folder', 2, /per-query: expected a file, got ROOT\/folder; it is a folder$/],
  ['eval run --per-query SEALED/x', 2, /per-query: expected a file in a folder that can be written to/],
  ['export run --onnx SEALED/x', 2, /onnx: expected a file in a folder that can be written to/],
  ['report run --out /dev/null', 2, /out: expected an ordinary file, got \/dev\/null; it is a device/],
  ['report --explore --out ROOT/folder', 2, /out: expected a file, got ROOT\/folder; it is a folder$/],
  ['delta none.npy', 1, /none\.npy: there is no such file or folder; check the path$/],
  ['data check csv --path none.csv', 1, /none\.csv: there is no such file or folder; name a CSV file/],
  ['weights pull dino_vits16 --cache SEALED/x', 1, /SEALED\/x: .*; name another place$/],
  ['weights pull dino_vits16 --cache ROOT/file', 1, /ROOT\/file\/.*: a part of this path is a file/],
  ['setup --libtorch ROOT/folder', 1, /--libtorch ROOT\/folder does not load: there is no folder/],
  ['setup --libtorch ROOT/file', 1, /SEALED\/x: .*; name another place$/], // its cache, see below
];

for (const [line, code, sentence] of cases.filter(
  ([line]) => process.platform === 'linux' || !/SEALED/.test(line),
)) {
  test(line, async (t) => {
    const filled = (text: string): string =>
      text.replaceAll('SEALED', sealed).replaceAll('ROOT', t.context.root);
    const env = line.startsWith('setup') ? { XDG_CACHE_HOME: `${sealed}/x` } : {};
    const outcome = await horoball(filled(line).split(' '), env);
    t.is(outcome.code, code, outcome.stderr);
    const said = outcome.stderr
      .trimEnd()
      .split('\n')
      .filter((text) => !/^(Note: |Options: | )/.test(text));
    t.is(said.length, 1, outcome.stderr);
    t.regex(said[0]!, new RegExp(filled(sentence.source)));
    t.notRegex(outcome.stderr, /\bE[A-Z]{4,}\b/);
  });
}
