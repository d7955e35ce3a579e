// Resumes runs whose data set, files or machine changed between two sessions.
import { execFile } from 'node:child_process';
import { copyFile, cp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import ava, { type TestFn } from 'ava';
import { olderText, runPathOf } from '../../../lib/io/run-path.ts';
import { shellWord } from '../../../lib/io/shell.ts';
import { Embedder, loadWeights, type TrainHooks, type TrainResult, train } from '../../../lib/train/index.ts';
import { planRun } from '../../../lib/train/run/plan.ts';
import { tinyRun } from '../tiny-data.ts';
import { forge, resume, type StoppedRun, stoppedRun } from './stopped-run.ts';

const test = ava as TestFn<StoppedRun>;

test.before(async (t) => {
  t.context = await stoppedRun();
});
test.after.always((t) => t.context.remove());

test.serial('a run resumes with a moved data set, but not with a changed one', async (t) => {
  const moved = `${t.context.images}-moved`;
  await cp(t.context.images, moved, { recursive: true });
  const resumeWith = async (path: string) => train({ path }, { resume: await t.context.copy() });
  t.is((await resumeWith(moved)).steps, 4);
  const [first, last] = [join(moved, 'class-00'), join(moved, 'class-31')];
  const added = 'train: 65 images in 16 classes, test: 64 images in 16 classes';
  for (const [change, undo, got] of [
    [() => cp(join(first, '0.jpg'), join(first, '4.jpg')), () => rm(join(first, '4.jpg')), added],
    [
      () => rename(join(first, '0.jpg'), join(first, '9.jpg')),
      () => rename(join(first, '9.jpg'), join(first, '0.jpg')),
      'other files or',
    ],
    [() => rename(first, `${moved}/class-00x`), () => rename(`${moved}/class-00x`, first), 'other files or'],
    [
      () => rename(join(last, '3.jpg'), `${moved}-3.jpg`),
      () => rename(`${moved}-3.jpg`, join(last, '3.jpg')),
      'test: 63 images',
    ],
  ] as const) {
    await change();
    await t.throwsAsync(resumeWith(moved), {
      code: 'ERR_HOROBALL_CHECKPOINT',
      message: new RegExp(
        `\\[train\\] path: expected the data .*train: 64 images in 16 classes.*${got}.* --weights \\S+[\\\\/]last\\.safetensors'?\\.$`,
      ),
    });
    await undo();
  }
  t.is((await resumeWith(moved)).steps, 4);
  const data = (async function* () {})();
  await t.throwsAsync(train({}, { resume: await t.context.copy(), data }), {
    code: 'ERR_HOROBALL_CHECKPOINT',
    message: /got .* \(batches from an iterable\)/,
  });
  const earlier = await t.context.copy();
  await forge(earlier, ({ contents }) => delete contents.position.data);
  await rm(join(last, '3.jpg'));
  t.is((await train({ path: moved }, { resume: earlier })).steps, 4, 'a checkpoint of an earlier version');
});

test.serial('a final network from before the run was resumed is reported', async (t) => {
  const folder = await t.context.copy();
  const [model, last] = ['model.safetensors', 'last.safetensors'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const before = await readFile(model);
  await resume(folder);
  t.is(await olderText(await runPathOf(folder)), null);
  await writeFile(model, before); // as if the run had been killed before it wrote its new network
  const text =
    /^model\.safetensors is outdated: it holds the network after step 3, .* has saved step 4 in last\.safetensors$/;
  t.regex((await olderText(await runPathOf(folder)))!, text);
  const embedder = await Embedder.load(folder);
  t.regex((await loadWeights(model, embedder)).notices[0]!, /^model\.safetensors is outdated: .*\.$/);
  embedder.dispose();
  t.is(await olderText(await runPathOf(last)), null);
  await rm(last);
  t.is(await olderText(await runPathOf(folder)), null);
});

test.serial('a best checkpoint from before the best evaluation is reported', async (t) => {
  const folder = await t.context.copy();
  const best = join(folder, 'best.safetensors');
  const older = async (): Promise<string | null> => await olderText(await runPathOf(best));
  t.is(await older(), null);
  await forge(folder, ({ contents }) => {
    contents.position.step = 4;
    contents.position.best.step = 4;
  });
  const text = 'it holds the network after step 2, but the best evaluation of the run was after step 4';
  t.is(await older(), `best.safetensors is outdated: ${text}`);
  await forge(folder, ({ contents }) => (contents.position.best.step = '\x1b[2J' as never));
  t.is(await older(), null, 'no text of the file');
  await forge(folder, ({ contents }) => (contents.position.step = 1));
  t.is(await older(), null, 'the last checkpoint is the outdated one');
  await forge(folder, ({ contents }) => (contents.position.best = null));
  t.is(await older(), null);
});

test.serial('a resumed run reports a best checkpoint that is missing or of another step', async (t) => {
  const warned = async (change: (best: string, folder: string) => Promise<void>): Promise<string> => {
    const folder = await t.context.copy();
    await change(join(folder, 'best.safetensors'), folder);
    const warnings: string[] = [];
    await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
    return warnings.join('\n');
  };
  t.is(await warned(async () => {}), '');
  const should = 'best.safetensors should be the checkpoint of the best evaluation, at step 2, but is ';
  t.true((await warned((best) => rm(best))).startsWith(`${should}missing or damaged;`));
  t.true((await warned((best) => truncate(best, 1000))).startsWith(`${should}missing or damaged;`));
  const replaced = await warned((best, folder) => copyFile(join(folder, 'last.safetensors'), best));
  t.true(replaced.startsWith(`${should}from step 3;`));
});

test.serial(
  'a resumed run reports another libtorch, device, SIMD level, or number of threads or processes',
  async (t) => {
    const warned = async (machine: object): Promise<string> => {
      const folder = await t.context.copy();
      await forge(folder, ({ contents }) => {
        contents.machine = { ...contents.machine, ...machine };
      });
      const warnings: string[] = [];
      await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
      return warnings.join('\n');
    };
    t.is(await warned({}), '');
    for (const [changed, text] of [
      [{ libtorch: '2.13.9' }, 'libtorch 2.13.9 with'],
      [{ threads: 17 }, 'with 17 threads on cpu'],
      [{ device: 'cuda:1' }, 'on cuda:1 ('],
      [{ level: 'neon' }, 'on cpu (neon)'],
      [{ ranks: 2 }, ' in 2 processes, and the run resumes'],
      [{ decoder: 'sharp-0.1.0+vips-8.1.0' }, 'with sharp-0.1.0+vips-8.1.0, and the run resumes on'],
    ] as const) {
      const warning = await warned(changed);
      t.true(warning.startsWith('the last checkpoint was written on ') && warning.includes(text), warning);
      t.regex(warning, /, and the run resumes on .*, so results may differ in the last digits$/);
    }
    const earlier = await t.context.copy();
    await forge(earlier, ({ contents: { machine } }) => {
      for (const name of ['device', 'level', 'decoder']) delete machine[name];
    });
    await train({}, { resume: earlier, onWarning: (warning) => t.fail(warning) });
  },
);

test.serial('a run whose last checkpoint was lost does not start again', async (t) => {
  const lose = async (...names: string[]): Promise<string> => {
    const folder = await t.context.copy();
    for (const name of names) await rm(join(folder, `${name}.safetensors`));
    return folder;
  };
  const withBest = await lose('last', 'model');
  const folder = await lose('last', 'model', 'best');
  for (const [lost, advice] of [
    [
      withBest,
      /got \S+ without one, although .* wrote one\. Restore it from a backup, or copy best\.safetensors to last\.safetensors/,
    ],
    [folder, /got \S+ without one, although .* wrote one\. Restore it from a backup, or start a new run\.$/],
  ] as const) {
    const log = await readFile(join(lost, 'metrics.jsonl'), 'utf8');
    await t.throwsAsync(resume(lost), { code: 'ERR_HOROBALL_CHECKPOINT', message: advice });
    t.is(await readFile(join(lost, 'metrics.jsonl'), 'utf8'), log);
  }
  await copyFile(join(withBest, 'best.safetensors'), join(withBest, 'last.safetensors'));
  t.is((await resume(withBest)).steps, 4);
  // A run without a checkpoint resumes if its log ends before the first checkpoint was due.
  const log = join(folder, 'metrics.jsonl');
  const rows = (await readFile(log, 'utf8')).split('\n');
  const evaluated = rows.findIndex((row) => row.startsWith('{"type":"evaluation"'));
  await writeFile(log, rows.slice(0, evaluated + 1).join('\n'));
  t.is((await resume(folder)).steps, 4);
});

test.serial('a run does not resume from an earlier checkpoint than its last one', async (t) => {
  const folder = await t.context.copy();
  const [last, best, log] = ['last.safetensors', 'best.safetensors', 'metrics.jsonl'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const earlier = await readFile(last);
  const { best: first } = await train({ ep: 10, eval_ep: '[5]+[7]+[10]' }, { resume: folder });
  const [bestStep, before] = [first!.step, await readFile(log, 'utf8')];
  t.true(bestStep > 3);
  await rm(last); // it may be a hard link to best.safetensors
  await writeFile(last, earlier);
  const own = `got the checkpoint from step 3 in ${folder}, although the run wrote one at step `;
  const refused = async (step: number, fix: string) => {
    const { message } = (await t.throwsAsync(resume(folder), { code: 'ERR_HOROBALL_CHECKPOINT' }))!;
    t.true(message.endsWith(`${own}${step}. Restore it from a backup, or ${fix}.`), message);
    t.is(await readFile(log, 'utf8'), before);
  };
  await refused(bestStep, 'copy best.safetensors to last.safetensors');
  const copy = `${folder}-best`;
  await cp(folder, copy, { recursive: true });
  await writeFile(best, earlier); // as if last.safetensors, a hard link to it, had been overwritten
  await refused(5, `start a new run with --weights ${shellWord(last)}`);
  await rm(best);
  await refused(5, `start a new run with --weights ${shellWord(last)}`);
  await copyFile(join(copy, 'best.safetensors'), join(copy, 'last.safetensors'));
  const warnings: string[] = [];
  await train({}, { resume: copy, onWarning: (warning) => void warnings.push(warning) });
  const lines = before.trimEnd().split('\n');
  t.is(
    warnings.join('\n'),
    bestStep === 10
      ? ''
      : `the run continues from best.safetensors (step ${bestStep}); the rows of metrics.jsonl for ${bestStep === 9 ? 'step' : `steps ${bestStep + 1} to`} 10 are discarded`,
  );
  t.is((await readFile(join(copy, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n').length, lines.length);
});

test.serial('auto resumes a run at another path only if it has the same data', async (t) => {
  const runs = `${await t.context.copy()}-runs`;
  const images = `${t.context.images}-auto`;
  await cp(t.context.images, images, { recursive: true });
  const run = async (path: string, name: string | null, after: number | null): Promise<TrainResult> => {
    const stop = new AbortController();
    const onStep: TrainHooks['onStep'] = ({ step }) => step === after && stop.abort();
    const options = { ...tinyRun, ep: 4, eval_ep: '[4]', path, runs, name, save_every: 1e6 };
    return await train(options, { resume: 'auto', signal: stop.signal, onStep });
  };
  const first = await run(images, null, 1);
  const moved = `${images}-moved`;
  await rename(images, moved);
  t.is((await run(moved, null, 2)).folder, first.folder, 'the same data, at its new path');
  await cp(join(moved, 'class-00'), join(images, 'class-00x'), { recursive: true });
  for (const name of (await readdir(moved)).slice(1))
    await cp(join(moved, name), join(images, name), { recursive: true });
  const other = await run(images, null, 1);
  t.not(other.folder, first.folder, 'other data is another run');
  for (const file of ['last.safetensors', 'model.safetensors']) await rm(join(other.folder!, file));
  t.is((await run(`${images}/../${basename(images)}`, null, 1)).folder, other.folder, 'the same path');
  for (const file of ['last.safetensors', 'model.safetensors']) await rm(join(other.folder!, file));
  t.is((await run(moved, null, 3)).folder, first.folder, 'a run without a checkpoint has unknown data');
});

test.serial('auto does not resume the run of another working folder at the same relative path', async (t) => {
  const runs = `${await t.context.copy()}-relative`;
  const [one, other] = [dirname(t.context.images), `${t.context.images}-other`];
  await cp(t.context.images, join(other, 'images'), { recursive: true });
  await rm(join(other, 'images', 'class-00', '0.jpg'));
  const options = { ...tinyRun, ep: 6, eval_ep: '[6]', path: 'images', runs };
  /** Trains in a process with this working folder until a step, and returns its note, if any, and the run folder. */
  const run = async (cwd: string, until: number): Promise<string[]> => {
    const code = `const { train } = await import('${new URL('../../../lib/train/index.js', import.meta.url).href}');
      const stop = new AbortController();
      const onStep = ({ step }) => step === ${until} && stop.abort();
      const onWarning = (text) => text.includes('it is not resumed') && console.log(text);
      const hooks = { resume: 'auto', signal: stop.signal, onStep, onWarning };
      console.log((await train(${JSON.stringify(options)}, hooks)).folder);`;
    const child = promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { cwd });
    return (await child).stdout.trim().split('\n');
  };
  const note = (folder: string): string =>
    `images is not the data of ${folder}, a run with these options, so it is not resumed`;
  const first = (await run(one, 1)).at(-1)!;
  const [said, second] = await run(other, 1);
  t.is(said, note(first));
  t.not(second, first);
  t.is((await run(one, 2)).at(-1), first);
  t.is((await run(other, 2)).at(-1), second);
});

test.serial('auto does not resume a run whose initial weights were replaced', async (t) => {
  const runs = `${await t.context.copy()}-weights`;
  const weights = `${runs}.safetensors`;
  await copyFile(join(t.context.folder, 'model.safetensors'), weights);
  const warnings: string[] = [];
  const run = async (until: number): Promise<string | null> => {
    const stop = new AbortController();
    const options = { ...tinyRun, ep: 6, eval_ep: '[6]', path: t.context.images, runs, weights };
    const { folder } = await train(options, {
      resume: 'auto',
      signal: stop.signal,
      onStep: ({ step }) => step === until && stop.abort(),
      onWarning: (text) => text.includes('it is not resumed') && void warnings.push(text),
    });
    return folder;
  };
  const first = await run(1);
  t.is(await run(2), first);
  await copyFile(join(first!, 'model.safetensors'), weights);
  const second = await run(1);
  t.not(second, first);
  t.deepEqual(warnings, [
    `${weights} no longer has the initial weights of ${first}, a run with these options, so it is not resumed`,
  ]);
  await rm(weights);
  t.is(await run(3), second, 'a resumed run does not need them');
});

test.serial('a run does not resume from before a session without checkpoints', async (t) => {
  const folder = await t.context.copy();
  await train({ save_every: null }, { resume: folder });
  const log = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  await t.throwsAsync(train({ ep: 5, save_every: 60 }, { resume: folder }), {
    code: 'ERR_HOROBALL_CHECKPOINT',
    message:
      /expected a checkpoint of step 4, the step at which model\.safetensors was saved, got the checkpoint from step 3 in .* Start a new run with --weights \S+model\.safetensors, or delete model\.safetensors to repeat the steps after 3\.$/,
  });
  t.is(await readFile(join(folder, 'metrics.jsonl'), 'utf8'), log);
  const runs = dirname(folder);
  const auto = { ...tinyRun, ep: 4, eval_ep: '[2]+[4]', path: t.context.images, runs };
  t.not((await planRun(auto, { resume: 'auto' })).folder, folder);
  await rm(join(folder, 'model.safetensors'));
  t.is((await train({ ep: 5 }, { resume: folder })).steps, 5);
});

test.serial(
  'a resumed run keeps the checksum of its initial weights, whatever the file has now',
  async (t) => {
    const folder = await t.context.copy();
    const weights = `${folder}.safetensors`;
    await copyFile(join(folder, 'model.safetensors'), weights);
    const sum = crc32(await readFile(weights));
    const stop = new AbortController();
    const found: unknown[] = [];
    const onSummary: TrainHooks['onSummary'] = (summary) => void found.push(summary.weights);
    const options = { ...tinyRun, ep: 2, eval_ep: '[2]', path: t.context.images, runs: `${folder}-runs` };
    const started = await train(
      { ...options, weights },
      { onSummary, signal: stop.signal, onStep: () => stop.abort() },
    );
    t.is(started.steps, 1);
    await copyFile(join(started.folder!, 'model.safetensors'), weights);
    await train({}, { onSummary, resume: started.folder });
    await train({ ...options, ep: 1, eval_ep: '[1]' }, { onSummary });
    await train({}, { onSummary, resume: await t.context.copy() });
    t.deepEqual(found, [sum, sum, null, null]);
    const earlier = await t.context.copy();
    await forge(earlier, ({ contents }) => delete contents.position.weights);
    await train({}, { onSummary, resume: earlier });
    t.is(found.at(-1), undefined);
  },
);
