import { spawnSync } from 'node:child_process';
import {
  appendFile,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { writeReport } from '../../../lib/train/report/run/write.ts';
import type { Checkpoint } from '../../../lib/train/run/checkpoint.ts';
import { lockRun, runHolder } from '../../../lib/train/run/lock.ts';
import { readRun } from '../../../lib/train/run/read.ts';
import { DiskStore } from '../../../lib/train/run/store.ts';
import { evaluationRow, fakeSnapshot, stepRow } from '../fake-run.ts';
import { filesOf } from '../tiny-data.ts';

let runs: string;
test.beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'horoball-runs-'));
});
test.afterEach.always(async () => {
  await rm(runs, { recursive: true, force: true });
});

const open: DiskStore[] = [];
test.afterEach.always(async () => {
  await Promise.all(open.splice(0).map((store) => store[Symbol.asyncDispose]()));
});

async function create(options: Parameters<typeof DiskStore.create>[0]): Promise<DiskStore> {
  const store = await DiskStore.create(options);
  open.push(store);
  return store;
}

const config = (options: Record<string, unknown> = {}) => ({ ...parseConfig(options), runs });

test.serial('runs that start at the same time get different folders', async (t) => {
  const folders = await Promise.all(Array.from({ length: 5 }, () => create(config())));
  t.deepEqual(
    folders.map(({ name }) => name).sort(),
    [1, 2, 3, 4, 5].map((number) => `shapes-hybrid-${number}`),
  );
});

test.serial('rejects an existing name without changing the run that has it', async (t) => {
  const first = await create(config({ name: 'mine' }));
  await t.throwsAsync(create(config({ name: 'mine' })), {
    code: 'ERR_HOROBALL_RUN_EXISTS',
    message: /mine/,
  });
  t.deepEqual((await readdir(first.folder)).sort(), ['.training', 'config.json', 'metrics.jsonl']);
});

test.serial('a run that was killed before it wrote config.json does not block its name', async (t) => {
  const folder = join(runs, 'killed');
  await mkdir(folder);
  const { pid } = spawnSync('true'); // a process that has ended
  await writeFile(join(folder, '.training'), JSON.stringify({ pid, host: hostname() }));
  await writeFile(join(folder, 'metrics.jsonl'), '');
  const id = crypto.randomUUID();
  for (const name of [`.config.json.${id}.tmp`, `.training.${id}`, `.training.next.${id}`, '.training.next'])
    await writeFile(join(folder, name), '{');
  const store = await create(config({ name: 'killed' }));
  t.is(store.folder, folder);
  await store[Symbol.asyncDispose]();
  for (const [i, [file, text]] of [
    ['notes.txt', ''],
    ['.training-images', ''],
    ['.config.json.swp', ''],
    ['metrics.jsonl', '{}\n'],
  ].entries()) {
    const name = `user-${i}`;
    await mkdir(join(runs, name));
    await writeFile(join(runs, name, file!), text!);
    await t.throwsAsync(create(config({ name })), { code: 'ERR_HOROBALL_RUN_EXISTS' }, file);
    t.deepEqual(await readdir(join(runs, name)), [file!], 'its files are kept');
  }
});

test.serial('a run round-trips, even if its folder was moved', async (t) => {
  const store = await create(config({ lr: 0.25 }));
  const rows = [
    evaluationRow(0, 0.1),
    ...Array.from({ length: 200 }, (_, i) => stepRow(i + 1)),
    evaluationRow(200, 0.6),
  ];
  for (const row of rows) store.append(row);
  await store.snapshot(fakeSnapshot());
  await store.flush();
  await store[Symbol.asyncDispose]();
  const elsewhere = join(runs, 'elsewhere');
  await rename(store.folder, elsewhere);
  const run = await readRun(elsewhere);
  t.deepEqual(run.rows, rows);
  t.deepEqual(run.snapshot, fakeSnapshot());
  t.is(run.config.lr, 0.25);
  const report = await readFile(await writeReport(elsewhere), 'utf8');
  t.regex(report, /shapes-hybrid-1/);
  t.deepEqual(await filesOf(elsewhere), ['config.json', 'metrics.jsonl', 'report.html', 'snapshot.json']);
});

test.serial('the snapshot of another run is rejected', async (t) => {
  const file = (store: DiskStore): string => store.file('snapshot.json');
  const stores: DiskStore[] = [];
  for (const seconds of [1, 2]) {
    const store = await create(config());
    store.append({ ...stepRow(1), seconds });
    await store.snapshot(fakeSnapshot());
    t.deepEqual((await readRun(store.folder)).snapshot, fakeSnapshot());
    stores.push(store);
  }
  const [one, other] = stores as [DiskStore, DiskStore];
  await copyFile(file(one), file(other));
  const message = /snapshot\.json cannot be used: it belongs to a different run/;
  await t.throwsAsync(readRun(other.folder), { code: 'ERR_HOROBALL_FORMAT', message });
  await t.throwsAsync(writeReport(other.folder), { code: 'ERR_HOROBALL_FORMAT', message });
  await writeFile(file(other), JSON.stringify(fakeSnapshot())); // of an earlier version
  t.deepEqual((await readRun(other.folder)).snapshot, fakeSnapshot());
});

test.serial('a run that starts again removes the snapshot of its discarded log', async (t) => {
  const store = await create(config());
  store.append(stepRow(1));
  await store.snapshot(fakeSnapshot());
  await store[Symbol.asyncDispose]();
  const lock = await lockRun(store.folder);
  const again = await DiskStore.reopen(store.folder, lock, config(), null);
  open.push(again);
  again.append({ ...stepRow(1), seconds: 3 });
  await again.flush();
  t.is((await readRun(store.folder)).snapshot, null);
});

test.serial('a truncated log loses only its last line', async (t) => {
  const store = await create(config());
  store.append(stepRow(1));
  await store.flush();
  await appendFile(store.file('metrics.jsonl'), '{"type":"step","ste');
  t.deepEqual((await readRun(store.folder)).rows, [stepRow(1)]);
});

test.serial('a folder that is not a run folder is rejected', async (t) => {
  const empty = join(runs, 'empty');
  await mkdir(empty);
  await t.throwsAsync(readRun(empty), { code: 'ERR_HOROBALL_RUN', message: /empty.*no config\.json/ });
  await t.throwsAsync(readRun(join(runs, 'none')), {
    code: 'ERR_HOROBALL_RUN',
    message: /none, which does not exist/,
  });
});

test.serial('the error for a damaged config.json or snapshot.json names the file', async (t) => {
  const store = await create(config());
  const whole = await readFile(store.file('config.json'), 'utf8');
  for (const [text, why] of [
    [whole.slice(0, 40), /not JSON/],
    ['3', /no options/],
    [whole.replace('"lr": 0.001', '"lr": -1'), /used: lr: expected a number above 0, got -1/],
  ] as const) {
    await writeFile(store.file('config.json'), text);
    const error = await t.throwsAsync(readRun(store.folder), { code: 'ERR_HOROBALL_FORMAT', message: why });
    t.true(error.message.includes(store.file('config.json')));
  }
  await writeFile(store.file('config.json'), whole);
  await writeFile(store.file('snapshot.json'), '{');
  const message = /snapshot\.json cannot be used: it is not JSON/;
  await t.throwsAsync(readRun(store.folder), { code: 'ERR_HOROBALL_FORMAT', message });
});

test.serial('a run whose folder was deleted ends with an error, not a crash', async (t) => {
  const store = await create(config());
  await rm(store.folder, { recursive: true });
  store.append(stepRow(1));
  await t.throwsAsync(store.flush(), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message:
      /but it was moved or deleted\. If you moved the folder, resume the run with: npx horoball train --resume NEW_FOLDER$/,
  });
  await t.throwsAsync(store.snapshot(fakeSnapshot()), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message: /moved or deleted/,
  });
  await store[Symbol.asyncDispose]();
});

for (const [how, away] of [
  ['deleted', (folder: string) => rm(folder, { recursive: true })],
  ['moved', (folder: string) => rename(folder, `${folder}-moved`)],
] as const) {
  test.serial(`a run whose folder was ${how} writes nothing into the next run with its name`, async (t) => {
    const first = await create(config({ name: 'mine' }));
    first.append(stepRow(1));
    await first.flush();
    await away(first.folder);
    const second = await create(config({ name: 'mine' }));
    second.append(stepRow(1));
    for (const step of [2, 3, 4]) first.append(stepRow(step));
    await t.throwsAsync(first.flush(), { code: 'ERR_HOROBALL_RUN_BUSY' });
    for (const write of [
      () => first.snapshot(fakeSnapshot()),
      () => first.weights(null as never, config(), null as never),
      () => first.checkpoint(null as never),
    ])
      await t.throwsAsync(write(), {
        code: 'ERR_HOROBALL_RUN_BUSY',
        message: /another call in this process is using it/,
      });
    await first.remove();
    await first[Symbol.asyncDispose]();
    await second.flush();
    t.deepEqual((await readRun(second.folder)).rows, [stepRow(1)]);
    t.deepEqual((await readdir(second.folder)).sort(), ['.training', 'config.json', 'metrics.jsonl']);
    if (how === 'moved') {
      t.deepEqual((await readRun(`${first.folder}-moved`)).rows, [1, 2, 3, 4].map(stepRow));
      if (process.platform === 'linux') t.is(await runHolder(`${first.folder}-moved`), null);
    }
    await second[Symbol.asyncDispose]();
  });
}

test.serial('a run whose log was moved continues when the log is back', async (t) => {
  const store = await create(config());
  const log = store.file('metrics.jsonl');
  await rename(log, `${log}-moved`);
  store.append(stepRow(1));
  await t.throwsAsync(store.flush(), {
    code: 'ERR_HOROBALL_RUN_BUSY',
    message:
      /metrics\.jsonl was moved, deleted or replaced\. If you moved the file, move it back and resume the run\. If you moved the folder, resume/,
  });
  await rename(`${log}-moved`, log);
  await store.flush();
  t.deepEqual((await readRun(store.folder)).rows, [stepRow(1)]);
  await store[Symbol.asyncDispose]();
});

test.serial('a new run whose first files cannot be written leaves no folder and no lock', async (t) => {
  if (process.platform === 'win32') return t.pass();
  // Writing more than 512 bytes to a file fails with EFBIG: the lock can be written, the configuration cannot.
  const modules = ['run/store', 'options/resolve'].map(
    (name) => new URL(`../../../lib/train/${name}.js`, import.meta.url).href,
  );
  const code = `process.on('SIGXFSZ', () => {});
    const [{ DiskStore }, { parseConfig }] = await Promise.all(${JSON.stringify(modules)}.map((each) => import(each)));
    const config = { ...parseConfig({ name: 'mine' }), runs: ${JSON.stringify(runs)} };
    await DiskStore.create(config).catch(({ code, path }) => console.log(code, path));`;
  const args = [
    '-c',
    'ulimit -f 1; exec "$@" | cat',
    'sh',
    process.execPath,
    '--input-type=module',
    '-e',
    code,
  ];
  const { stdout } = spawnSync('sh', args, { encoding: 'utf8' });
  t.is(stdout.trim(), `EFBIG ${join(runs, 'mine', 'config.json')}`);
  t.deepEqual(await readdir(runs), []);
});

test.serial('a folder that cannot be removed is emptied, so that its name can be used again', async (t) => {
  const target = join(runs, 'disk');
  await mkdir(target);
  await symlink(target, join(runs, 'mine'), 'dir'); // like a mount point, a link is not removed by rmdir
  for (let i = 0; i < 2; i++) {
    const store = await create(config({ name: 'mine' }));
    store.append(stepRow(1));
    await writeFile(store.file('events'), '');
    await store.remove();
    t.deepEqual(await readdir(target), []);
    t.deepEqual((await readdir(runs)).sort(), ['disk', 'mine']);
  }
});

test.serial('a mount point, which cannot be removed, does not hide the error of a run', async (t) => {
  const folder = join(runs, 'mine');
  await mkdir(folder);
  const modules = ['run/store', 'options/resolve'].map(
    (name) => new URL(`../../../lib/train/${name}.js`, import.meta.url).href,
  );
  const code = `const { readdir } = await import('node:fs/promises');
    const [{ DiskStore }, { parseConfig }] = await Promise.all(${JSON.stringify(modules)}.map((each) => import(each)));
    const store = await DiskStore.create({ ...parseConfig({ name: 'mine' }), runs: ${JSON.stringify(runs)} });
    await store.remove();
    console.log(await readdir(store.folder));`;
  const mounted = 'mount -t tmpfs none "$0" && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', code];
  const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', mounted, folder, ...node], {
    encoding: 'utf8',
  });
  if (!stderr && !stdout) return t.pass('this system has no unshare');
  if (/^(unshare|mount):/.test(stderr)) return t.pass('this user may not mount a file system');
  t.is(stdout.trim(), '[]', stderr);
});

test.serial('a name with a huge number does not break the numbering', async (t) => {
  for (const number of ['9007199254740992', '20261130123456789', '1e300'])
    await mkdir(join(runs, `shapes-hybrid-${number}`));
  const names: string[] = [];
  for (let i = 0; i < 2; i++) {
    const store = await create(config());
    names.push(store.name);
    await store[Symbol.asyncDispose]();
  }
  t.deepEqual(names, ['shapes-hybrid-1', 'shapes-hybrid-2']);
});

test.serial("writes nothing into another folder that now has the run's path", async (t) => {
  for (const kind of ['folder', 'link', 'file'] as const) {
    const store = await create(config({ name: kind }));
    await rename(store.folder, `${store.folder}-moved`);
    const other = join(runs, `other-${kind}`);
    if (kind === 'file') await writeFile(store.folder, 'mine');
    else await mkdir(other);
    if (kind === 'link') await symlink(other, store.folder);
    if (kind === 'folder') await rename(other, store.folder);
    store.append(stepRow(1));
    const busy = { code: 'ERR_HOROBALL_RUN_BUSY', message: /moved/ };
    await t.throwsAsync(store.snapshot(fakeSnapshot()), busy, kind);
    await t.throwsAsync(
      store.checkpoint(() => t.fail() as never),
      busy,
      kind,
    );
    await t.throwsAsync(store.flush(), busy, kind);
    await store.remove();
    if (kind === 'file') t.is(await readFile(store.folder, 'utf8'), 'mine');
    else t.deepEqual(await readdir(store.folder), [], kind);
    t.true((await readFile(join(`${store.folder}-moved`, 'metrics.jsonl'), 'utf8')).includes('"step":1'));
  }
});

test.serial('a run that lost its lock while it was prepared does not change the folder', async (t) => {
  for (const kind of ['deleted', 'taken', 'moved'] as const) {
    const first = await create(config({ name: kind }));
    first.append(stepRow(1));
    await first.flush();
    await first[Symbol.asyncDispose]();
    const lock = await lockRun(first.folder);
    if (kind === 'moved') {
      await rename(first.folder, `${first.folder}-moved`);
      await mkdir(first.folder);
      await writeFile(join(first.folder, 'metrics.jsonl'), 'of another run');
    } else await rm(lock.path);
    const other = kind === 'taken' ? await lockRun(first.folder) : null;
    const log = () => readFile(join(first.folder, 'metrics.jsonl'), 'utf8');
    const before = await log();
    await t.throwsAsync(
      DiskStore.reopen(first.folder, lock, config({ lr: 1 }), null),
      {
        code: 'ERR_HOROBALL_RUN_BUSY',
        message:
          kind === 'taken' ? /another call in this process is using it now/ : /its lock was moved or deleted/,
      },
      kind,
    );
    t.is(await log(), before, kind);
    await lock.release();
    t.is((await runHolder(first.folder)) === null, kind !== 'taken');
    await other?.release();
  }
});

test.serial('replacing the last checkpoint keeps the best one until a better one is saved', async (t) => {
  const store = await create(config());
  const read = (name: string) => readFile(join(store.folder, `${name}.safetensors`), 'utf8');
  for (const [step, best] of [
    [1, 1],
    [2, 1],
    [3, 3],
  ] as const) {
    store.append(stepRow(step));
    const write = (path: string) =>
      writeFile(`${path}.new`, `step ${step}`).then(() => rename(`${path}.new`, path));
    await store.checkpoint(
      async () => ({ position: { step, best: { step: best } }, write }) as unknown as Checkpoint,
    );
    t.is(await read('last'), `step ${step}`);
    t.is(await read('best'), `step ${best}`);
  }
  await appendFile(join(store.folder, 'metrics.jsonl'), '{}\n');
  await t.throwsAsync(
    store.checkpoint(async () => t.fail() as never),
    {
      code: 'ERR_HOROBALL_RUN_BUSY',
      message: /metrics\.jsonl has \d+ bytes, of which this run wrote \d+/,
    },
  );
});
