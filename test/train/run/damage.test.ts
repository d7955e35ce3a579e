// Resumes runs whose files were damaged, truncated or replaced by links.
import { execFile } from 'node:child_process';
import { copyFile, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import ava, { type TestFn } from 'ava';
import { configOf } from '../../../lib/cli/network.ts';
import { Gallery, matrix } from '../../../lib/index.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { runPathOf } from '../../../lib/io/run-path.ts';
import { random } from '../../../lib/random.ts';
import { Checkpoint, Embedder, exportOnnx, train, writeReport } from '../../../lib/train/index.ts';
import { changedOption } from '../../../lib/train/run/plan.ts';
import { readRun } from '../../../lib/train/run/read.ts';
import { classNames, writeImages } from '../tiny-data.ts';
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
    message:
      /last\.safetensors.*the checksum of ".+" is wrong\. Restore the file from a backup, or download it again/,
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

test.serial('a command for a run notes that config.json was changed', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  const changed = async (path = folder) => await changedOption(await runPathOf(path));
  t.is(await changed(), null);
  await writeFile(file, JSON.stringify({ ...config, resize: config.resize + 4 }));
  for (const name of ['model', 'last', 'best']) {
    const text = await changed(join(folder, `${name}.safetensors`));
    t.true(
      text!.startsWith(`resize is ${config.resize + 4} in config.json and ${config.resize} in ${name}.`),
    );
  }
  const model = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(model);
  const { 'horoball.options': _, ...earlier } = metadata;
  await writeSafetensors(model, tensors, { metadata: earlier });
  t.regex((await changed())!, /in last\.safetensors/, 'weights of an earlier version');
  await writeFile(file, JSON.stringify({ ...config, workers: config.workers + 1, ep: config.ep + 1 }));
  t.is(await changed(), null, 'options that a resumed run may change');
  await rm(join(folder, 'last.safetensors'));
  t.is(await changed(), null);
});

test.serial('weights of another run are rejected', async (t) => {
  const folder = await t.context.copy();
  const { config } = await Checkpoint.read(folder);
  const other = await train({ ...config, seed: 7, name: null });
  for (const name of ['best', 'model']) {
    const path = join(folder, `${name}.safetensors`);
    await copyFile(join(other.folder!, `${name}.safetensors`), path);
    const message = `got ${name}.safetensors, written with seed 7, and last.safetensors, written with seed 42`;
    const refused = { code: 'ERR_HOROBALL_WEIGHTS', message: new RegExp(message) };
    await t.throwsAsync(Embedder.load(path), refused);
    await t.throwsAsync(exportOnnx(path, join(folder, 'model.onnx')), refused);
    await t.throwsAsync(configOf('eval', path, {}), refused);
  }
  const warnings: string[] = [];
  await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
  t.regex(warnings.join('\n'), /^best\.safetensors should be .*, at step 2, but is from another run;/);
});

test.serial('weights of a run with the same options on other data are rejected', async (t) => {
  const folder = await t.context.copy();
  const images = join(dirname(folder), 'other-images');
  await writeImages(images, classNames(32), 5);
  const { config } = await Checkpoint.read(folder);
  const other = await train({ ...config, path: images, name: null });
  for (const name of ['best', 'model']) {
    const path = join(folder, `${name}.safetensors`);
    const own = await readFile(path);
    (await Embedder.load(path)).dispose();
    await copyFile(join(other.folder!, `${name}.safetensors`), path);
    const message = `got ${name}\\.safetensors and last\\.safetensors, which were trained on different data or from`;
    const refused = { code: 'ERR_HOROBALL_WEIGHTS', message: new RegExp(message) };
    await t.throwsAsync(Embedder.load(path), refused);
    await t.throwsAsync(exportOnnx(path, join(folder, 'model.onnx')), refused);
    await t.throwsAsync(configOf('eval', path, {}), refused);
    await writeFile(path, own);
  }
  await copyFile(join(other.folder!, 'best.safetensors'), join(folder, 'best.safetensors'));
  const warnings: string[] = [];
  await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
  t.regex(warnings.join('\n'), /^best\.safetensors should be .*, at step 2, but is from another run;/);
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
  t.deepEqual(await loads({ workers: 9 }), []);
  for (const [name, value] of Object.entries({ crop: 8, compat: 'hypmix', precision: 'bfloat16' })) {
    const [warning] = await loads({ [name]: value });
    t.regex(
      warning!,
      new RegExp(`^HoroballWarning: \\[Embedder\\.load\\] ${name} is ${value} in config\\.json`),
    );
  }
  await writeFile(join(folder, 'last.safetensors'), 'damaged');
  t.regex((await warningsOf({ resize: config.resize + 2 }))[0]!, /resize is/);
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

test.serial('a report notes files that do not agree', async (t) => {
  const sound = await t.context.copy();
  const { config } = await Checkpoint.read(sound);
  const other = (await train({ ...config, seed: 7, name: null })).folder!;
  const mismatches = async (change: (folder: string) => Promise<unknown>): Promise<string> => {
    const folder = await t.context.copy();
    await change(folder);
    const found = (await readRun(folder)).mismatches ?? [];
    const page = await readFile(await writeReport(folder), 'utf8');
    t.true(found.every((note) => page.includes(`<p class="note">${note}</p>`)));
    return found.join('\n');
  };
  const log = async (folder: string, edit: (lines: string[]) => string[]): Promise<void> => {
    const file = join(folder, 'metrics.jsonl');
    await writeFile(file, edit((await readFile(file, 'utf8')).split(/(?<=\n)/)).join(''));
  };
  const replace = (name: string) => (folder: string) => copyFile(join(other, name), join(folder, name));
  t.is(await mismatches(async () => {}), '');
  t.regex(
    await mismatches((folder) => log(folder, (lines) => lines.slice(0, -1))),
    /^metrics\.jsonl has \d+ /,
  );
  t.regex(
    await mismatches((folder) => log(folder, ([a, b, c, ...rest]) => [a!, c!, b!, ...rest])),
    /is not as it was/,
  );
  t.regex(
    await mismatches(replace('config.json')),
    /^seed is 7 in config\.json and 42 in last\.safetensors, so/,
  );
  const withoutLast = async (folder: string): Promise<void> => {
    await rm(join(folder, 'last.safetensors'));
    await replace('config.json')(folder);
  };
  t.regex(await mismatches(withoutLast), /^seed is 7 in config\.json and 42 in model\.safetensors, so/);
  t.is(await mismatches((folder) => writeFile(join(folder, 'last.safetensors'), 'damaged')), '');
});

test.serial('the last evaluation of a run is not taken from a changed log', async (t) => {
  const folder = await t.context.copy();
  const { evaluations } = await resume(folder);
  const log = join(folder, 'metrics.jsonl');
  const lines = (await readFile(log, 'utf8')).split('\n');
  const at = lines.findLastIndex((line) => line.startsWith('{"type":"evaluation"'));
  const { crc32: _, ...row } = JSON.parse(lines[at]!);
  row.spaces.cosine.at['1'] = 0.125;
  lines[at] = JSON.stringify(row).padEnd(lines[at]!.length);
  await writeFile(log, lines.join('\n'));
  const again = await resume(folder);
  t.is(again.steps, 4);
  t.is(again.evaluations.at(-2)!.spaces.cosine.at['1'], 0.125);
  t.deepEqual(again.evaluations.at(-1)!.spaces, evaluations.at(-1)!.spaces);
  t.is((await resume(folder)).evaluations.length, again.evaluations.length, 'evaluated once');
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
  const folder = await t.context.copy();
  const model = join(folder, 'model.safetensors');
  await rename(model, `${folder}-outside`);
  await symlink(`${folder}-outside`, model);
  for (const open of [() => Embedder.load(folder), () => exportOnnx(folder, join(folder, 'model.onnx'))])
    await t.throwsAsync<Error>(open, { code: 'ERR_HOROBALL_FORMAT', message: /got a link/ });
});
