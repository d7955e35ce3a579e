// Resumes runs whose files were damaged, truncated or replaced by links.
import { execFile } from 'node:child_process';
import { copyFile, cp, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import ava, { type TestFn } from 'ava';
import { Gallery, matrix } from '../../../lib/index.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { olderText, runPathOf } from '../../../lib/io/run-path.ts';
import { random } from '../../../lib/random.ts';
import { Checkpoint, Embedder, exportOnnx, readRun, train } from '../../../lib/train/index.ts';
import { changedOption } from '../../../lib/train/run/plan.ts';
import { forge, resume, type StoppedRun, stoppedRun } from './stopped-run.ts';

const test = ava as TestFn<StoppedRun>;

test.before(async (t) => {
  t.context = await stoppedRun();
});
test.after.always((t) => t.context.remove());

test.serial('rejects a checkpoint with a flipped bit in the weights, and names the tensor', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const bytes = await readFile(last);
  bytes[bytes.length - 100_000]! ^= 4;
  await writeFile(last, bytes);
  await t.throwsAsync(resume(folder), {
    code: 'ERR_HOROBALL_FORMAT',
    message: /last\.safetensors.*the checksum of ".+" is wrong\. Use another copy/,
  });
});

test.serial('rejects a flipped bit at any position of a checkpoint or a gallery', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const gallery = join(folder, 'gallery');
  const points = new Gallery<Float32Array>({ c: 1 });
  await points.add(matrix(new Float32Array(12).fill(0.1), 4, 3), [1, 2, 3, 4]);
  await points.save(gallery);
  const next = random(16);
  for (const [path, read, flips] of [
    [last, Checkpoint.read, 40],
    [gallery, Gallery.load, 200],
  ] as const) {
    const sound = await readFile(path);
    const header = 8 * (8 + Number(sound.readBigUInt64LE()));
    for (let i = 0; i < flips; i++) {
      const bit = Math.floor(next() * (i % 2 === 0 ? header : 8 * sound.length));
      const bytes = Buffer.from(sound);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, bytes);
      const error = await t.throwsAsync<Error & { code?: string }>(read(path), undefined, `bit ${bit}`);
      t.regex(error?.code ?? error?.message ?? '', /^ERR_HOROBALL_/, `bit ${bit}`);
    }
    await writeFile(path, sound);
    await t.notThrowsAsync(read(path));
  }
});

test.serial('a checkpoint of an earlier version, without checksums, resumes', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const { tensors, metadata } = await readSafetensors(last);
  await writeSafetensors(last, tensors, { metadata });
  t.false((await readFile(last)).includes('crc32'));
  t.is((await resume(folder)).steps, 4);
});

for (const [how, damage, message] of [
  [
    'shorter than its checkpoint',
    (log: string) => truncate(log, 100),
    /metrics\.jsonl to have the \d+ bytes .*, got 100: its end was lost/,
  ],
  [
    'missing',
    (log: string) => rm(log),
    /metrics\.jsonl to have the \d+ bytes recorded in its checkpoint, got no file/,
  ],
  [
    'of another run',
    async (log: string) => writeFile(log, (await readFile(log, 'utf8')).replaceAll('"step":3', '"step":7')),
    /step 3 as the last step in the first \d+ bytes of .*, got step 7/,
  ],
  [
    'with shifted lines',
    async (log: string) => writeFile(log, ` ${await readFile(log, 'utf8')}`),
    /to end a line at byte \d+, got a partial line/,
  ],
] as const) {
  test.serial(`a log ${how} is rejected and not changed`, async (t) => {
    const folder = await t.context.copy();
    const log = join(folder, 'metrics.jsonl');
    await damage(log);
    const before = await readFile(log, 'utf8').catch(() => null);
    await t.throwsAsync(resume(folder), { code: 'ERR_HOROBALL_CHECKPOINT', message });
    t.is(await readFile(log, 'utf8').catch(() => null), before);
  });
}

test.serial('a modified config.json is rejected', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  for (const [name, value] of Object.entries({
    lr: 7e-4,
    seed: 43,
    t_e: 0.9,
    clip_r: 2,
    geometry: 'euclidean',
  })) {
    await writeFile(file, JSON.stringify({ ...config, [name]: value }));
    await t.throwsAsync(resume(folder), {
      code: 'ERR_HOROBALL_CHECKPOINT',
      message: new RegExp(`got a different ${name} `),
    });
  }
  await writeFile(file, JSON.stringify(config));
  t.is((await resume(folder)).steps, 4);
});

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
      message: new RegExp(`\\[train\\] path: expected the data .*train: 64 images in 16 classes.*${got}`),
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

test.serial('a command for a run notes that config.json was changed', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  t.is(await changedOption(folder), null);
  await writeFile(file, JSON.stringify({ ...config, resize: config.resize + 4 }));
  t.regex((await changedOption(folder))!, /^resize is \d+ in config\.json and \d+ in last\.safetensors/);
  await writeFile(file, JSON.stringify({ ...config, workers: config.workers + 1, ep: config.ep + 1 }));
  t.is(await changedOption(folder), null, 'options that a resumed run may change');
  await rm(join(folder, 'last.safetensors'));
  t.is(await changedOption(folder), null);
});

test.serial('an export and Embedder.load warn if config.json was changed', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  const warnings: string[] = [];
  const onWarning = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const warningsOf = async (changed: object, source = folder): Promise<string[]> => {
    await writeFile(file, JSON.stringify({ ...config, ...changed }));
    await exportOnnx(source, join(folder, 'model.onnx'));
    await setImmediate();
    return warnings.splice(0);
  };
  t.deepEqual(await warningsOf({ lr: 1, workers: 9 }), []);
  for (const [name, value] of Object.entries({
    resize: config.resize + 2,
    geometry: 'euclidean',
    background: 'black',
    max_pixels: 7,
  }))
    for (const source of [folder, join(folder, 'last.safetensors')]) {
      const [warning] = await warningsOf({ [name]: value }, source);
      t.regex(
        warning!,
        new RegExp(`^HoroballWarning: \\[export\\] ${name} is ${value} in .*, but was ${config[name]}`),
      );
    }
  const loads = async (changed: object): Promise<string[]> => {
    await writeFile(file, JSON.stringify({ ...config, ...changed }));
    (await Embedder.load(folder)).dispose();
    await setImmediate();
    return warnings.splice(0);
  };
  t.deepEqual(await loads({ lr: 1, workers: 9 }), []);
  for (const [name, value] of Object.entries({ crop: 24, compat: 'hypmix', precision: 'bfloat16' })) {
    const [warning] = await loads({ [name]: value, resize: 40 });
    t.regex(
      warning!,
      new RegExp(`^HoroballWarning: \\[Embedder\\.load\\] ${name} is ${value} in config\\.json`),
    );
  }
  await writeFile(join(folder, 'last.safetensors'), 'damaged');
  t.deepEqual(await warningsOf({ resize: config.resize + 2 }), []);
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
  const text = /^model\.safetensors is the network after step 3, because .*last\.safetensors, is of step 4$/;
  t.regex((await olderText(await runPathOf(folder)))!, text);
  t.is(await olderText(await runPathOf(last)), null);
  await rm(last);
  t.is(await olderText(await runPathOf(folder)), null);
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
  t.true(replaced.startsWith(`${should}of step 3;`));
});

test.serial('a resumed run reports another libtorch, number of threads, device or SIMD level', async (t) => {
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
  ] as const) {
    const warning = await warned(changed);
    t.true(warning.startsWith('the run started on ') && warning.includes(text), warning);
    t.regex(warning, / and resumes on .*, so results may differ in the last digits$/);
  }
  const earlier = await t.context.copy();
  await forge(earlier, ({ contents: { machine } }) => {
    for (const name of ['device', 'level']) delete machine[name];
  });
  await train({}, { resume: earlier, onWarning: (warning) => t.fail(warning) });
});

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
      /got \S+ without one, although .* wrote one\. Restore it from a copy, or copy best\.safetensors to last\.safetensors/,
    ],
    [folder, /got \S+ without one, although .* wrote one\. Restore it from a copy, or start a new run\.$/],
  ] as const) {
    const log = await readFile(join(lost, 'metrics.jsonl'), 'utf8');
    await t.throwsAsync(resume(lost), { code: 'ERR_HOROBALL_CHECKPOINT', message: advice });
    t.is(await readFile(join(lost, 'metrics.jsonl'), 'utf8'), log);
  }
  await copyFile(join(withBest, 'best.safetensors'), join(withBest, 'last.safetensors'));
  t.is((await resume(withBest)).steps, 4);
  // Rows before the first checkpoint was due.
  const log = join(folder, 'metrics.jsonl');
  const rows = (await readFile(log, 'utf8')).split('\n');
  const evaluated = rows.findIndex((row) => row.startsWith('{"type":"evaluation"'));
  await writeFile(log, rows.slice(0, evaluated + 1).join('\n'));
  t.is((await resume(folder)).steps, 4);
});

test.serial('rejects weights with settings other than those of their training', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  const other = { embed_dim: 32, depth: 2, num_heads: 2, img_size: 16, patch_size: 4, norm_eps: 1e-3 };
  for (const [name, value, code] of [
    ['hyp_c', 0.3],
    ['clip_r', 2],
    ['clip_r', null],
    ['head', 'hyp-vit'],
    ['emb', 17, 'ERR_HOROBALL_SHAPE'],
    ['model', JSON.stringify(other), /ERR_HOROBALL_(WEIGHTS|SHAPE)/],
  ] as const) {
    await writeFile(file, JSON.stringify({ ...config, [name]: value }));
    const error = await t.throwsAsync<Error & { code: string }>(Embedder.load(folder), undefined, name);
    t.regex(error.code, code === undefined ? /^ERR_HOROBALL_WEIGHTS$/ : new RegExp(code), error.message);
    if (code === undefined)
      t.regex(error.message, new RegExp(`${name}: expected .* was trained, got .* Restore config\\.json`));
  }
  await writeFile(file, JSON.stringify({ ...config, lr: 7e-4, ep: 40 }));
  (await Embedder.load(folder)).dispose();
});

test.serial('a modified log causes a warning and does not affect the run', async (t) => {
  const folder = await t.context.copy();
  const log = join(folder, 'metrics.jsonl');
  const text = await readFile(log, 'utf8');
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith('{"type":"evaluation"'));
  const row = JSON.parse(lines[at]!);
  row.spaces.hyperbolic.at['1'] = 1; // better than any later evaluation
  lines[at] = JSON.stringify(row).padEnd(lines[at]!.length).slice(0, lines[at]!.length);
  await writeFile(log, lines.join('\n'));
  const { position } = await Checkpoint.read(folder);
  const warnings: string[] = [];
  await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
  t.is(
    warnings.filter((warning) => /metrics\.jsonl was changed after the checkpoint/.test(warning)).length,
    1,
  );
  const after = await Checkpoint.read(folder);
  t.true(after.position.best!.recall >= position.best!.recall);
  t.true(after.position.best!.recall < 1);
  // The changed log is accepted from now on, without another warning.
  const again: string[] = [];
  await train({ ep: 5 }, { resume: folder, onWarning: (warning) => void again.push(warning) });
  t.deepEqual(
    again.filter((warning) => /was changed/.test(warning)),
    [],
  );
});

test.serial('skips a log line longer than a megabyte, and resumes a run that does not need it', async (t) => {
  const long = `{"type":"step","note":"${'x'.repeat(2 ** 20)}"}\n`;
  const padded = async (place: 'start' | 'end'): Promise<string> => {
    const folder = await t.context.copy();
    const log = join(folder, 'metrics.jsonl');
    const text = await readFile(log, 'utf8');
    await writeFile(log, place === 'start' ? long + text : text + long);
    const bytes = (await stat(log)).size;
    await forge(folder, ({ contents }) => {
      contents.position.metricsBytes = bytes;
      delete contents.position.metricsCrc32;
    });
    return folder;
  };
  const warnings: string[] = [];
  const onWarning = (warning: string): void => void warnings.push(warning);
  t.is((await train({}, { resume: await padded('start'), onWarning })).steps, 4);
  t.regex(
    warnings.join('\n'),
    /1 line of metrics\.jsonl is invalid .*line 1: it has more than 1048576 characters/,
  );
  await t.throwsAsync(resume(await padded('end')), {
    code: 'ERR_HOROBALL_CHECKPOINT',
    message: /step 3 as the last step in the first \d+ bytes of .*, got none/,
  });
});

test.serial('a weights file with an invalid curvature is rejected', async (t) => {
  const { Embedder, loadTrained } = await import('../../../lib/train/index.ts').then(async (all) => ({
    ...all,
    ...(await import('../../../lib/train/run/checkpoint.ts')),
  }));
  const folder = await t.context.copy();
  const model = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(model);
  const { config } = await readRun(folder);
  using embedder = await Embedder.create(JSON.parse(metadata['horoball']!));
  for (const c of [-1, 'x', null]) {
    const horoball = JSON.stringify({ ...JSON.parse(metadata['horoball']!), c });
    await writeSafetensors(model, tensors, { metadata: { ...metadata, horoball } });
    const load = loadTrained(model, embedder, { ...config, learn: 'hyp_c' });
    await t.throwsAsync(load, { code: 'ERR_HOROBALL_FORMAT' });
  }
});

test.serial('links and pipes in a run folder are rejected', async (t) => {
  for (const name of ['metrics.jsonl', 'config.json', 'last.safetensors']) {
    const folder = await t.context.copy();
    const [file, outside] = [join(folder, name), `${folder}-outside`];
    await rename(file, outside);
    const before = await readFile(outside);
    await symlink(outside, file);
    const refused = { code: 'ERR_HOROBALL_FORMAT', message: /got a link, folder, pipe or device/ };
    await t.throwsAsync(resume(folder), refused, name);
    t.true(before.equals(await readFile(outside)));
    await rm(file);
    if (process.platform === 'win32') continue;
    await promisify(execFile)('mkfifo', [file]);
    await t.throwsAsync(resume(folder), refused, name);
    await rm(file);
    await copyFile(outside, file);
    t.is((await resume(folder)).steps, 4);
  }
});
