import test from 'ava';
import { Meter } from '../../lib/cli/meter.ts';

class Screen {
  readonly isTTY: boolean;
  readonly columns: number;
  text = '';
  constructor(isTTY: boolean, columns = 60) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string): void {
    this.text += text;
  }
  /** The last visible line. */
  get line(): string {
    return this.text.split('\r\x1b[2K').at(-1)!;
  }
}

/** A meter, and a function that advances its clock. */
function metered(screen: Screen): { meter: Meter; pass: (seconds: number) => void } {
  let ms = 0;
  const meter = new Meter(screen, { now: () => ms, tickMs: null });
  const pass = (seconds: number): void => {
    ms += 1000 * seconds;
  };
  return { meter, pass };
}

test('a terminal redraws one line, with a bar if it fits', (t) => {
  const screen = new Screen(true);
  const meter = new Meter(screen);
  meter.update(5, 10, ['loss 3.2']);
  t.is(screen.line, `${'━'.repeat(12)}${'─'.repeat(12)}  loss 3.2`);
  t.false(screen.text.includes('\n'));
  meter.say('a permanent line');
  t.true(screen.text.endsWith('\r\x1b[2Ka permanent line\n'));
});

test('text from a file cannot change what a terminal shows', (t) => {
  const screen = new Screen(true);
  new Meter(screen).say('Note: \x1b[2J\x9b31m\r\x07\n\tnext line');
  t.is(screen.text, 'Note: \\x1b[2J\\x9b31m\\x0d\\x07\n\tnext line\n');
});

test('a narrow terminal omits the last fields and keeps the ETA', (t) => {
  const fields = ['epoch 1/9', 'step 2/18', 'loss 2.413', 'acc 61.2%', 'lr 3.0e-05', '412 img/s', 'data 3%'];
  const screen = new Screen(true, 45);
  const { meter, pass } = metered(screen);
  meter.update(1, 18, fields);
  pass(2);
  meter.update(2, 18, fields);
  t.is(screen.line, 'epoch 1/9  step 2/18  loss 2.413  eta 00:32');
  const tiny = new Screen(true, 20);
  new Meter(tiny).update(1, 18, ['x'.repeat(100)]);
  t.is(tiny.line.length, 19);
});

test('a count has a rate after the second update, and an ETA after one second', (t) => {
  const screen = new Screen(true, 80);
  const { meter, pass } = metered(screen);
  pass(20); // time before the first update does not count
  meter.count('embedding', 128, 1408, 'img');
  t.is(screen.line, `${'━━'}${'─'.repeat(22)}  embedding  128/1408 img`);
  pass(0.5);
  meter.count('embedding', 256, 1408, 'img');
  t.true(screen.line.endsWith('  embedding  256/1408 img  256 img/s'));
  pass(0.5);
  meter.count('embedding', 384, 1408, 'img');
  t.true(screen.line.endsWith('  embedding  384/1408 img  256 img/s  eta 00:04'));
  const unknown = new Screen(true);
  new Meter(unknown).count('downloading', 7, null, 'MB');
  t.is(unknown.line, 'downloading  7 MB');
});

test('the ETA includes the given seconds of other work, and pauses do not change it', (t) => {
  const screen = new Screen(true, 80);
  const { meter, pass } = metered(screen);
  for (let step = 1; step <= 4; step++) {
    meter.update(step, 100, ['loss 3.2'], 30);
    pass(1);
  }
  t.regex(screen.line, /eta 02:06$/);
  meter.pause(50_000);
  pass(50);
  meter.update(5, 100, ['loss 3.2'], 20);
  t.regex(screen.line, /eta 01:55$/);
});

test('steps of a build show the elapsed time instead of an ETA', (t) => {
  const screen = new Screen(true, 80);
  const { meter, pass } = metered(screen);
  meter.steps('building', 0, 9);
  t.true(screen.line.endsWith('─  building  0%  elapsed 00:00'));
  pass(65);
  meter.steps('building', 3, 9);
  t.true(screen.line.endsWith('─  building  33%  elapsed 01:05'));
  meter.end();
  const log = new Screen(false);
  const plain = metered(log);
  plain.meter.steps('configuring', 0, 1);
  plain.meter.steps('building', 0, 9);
  plain.pass(16);
  plain.meter.steps('building', 1, 9);
  t.is(log.text, 'configuring  0%  elapsed 00:00\nbuilding  11%  elapsed 00:16\n');
});

test('the elapsed time of a long step keeps advancing', async (t) => {
  const screen = new Screen(true, 80);
  let ms = 0;
  using meter = new Meter(screen, { now: () => ms });
  meter.steps('building', 0, 9);
  ms = 3000;
  while (!screen.line.endsWith('elapsed 00:03')) await new Promise((done) => setTimeout(done, 20));
  meter.end();
  t.true(screen.text.endsWith('\r\x1b[2K'));
});

test('the elapsed time of a long step is printed again without a terminal', async (t) => {
  const log = new Screen(false);
  let ms = 0;
  using meter = new Meter(log, { now: () => ms, tickMs: 5 });
  meter.steps('building', 0, 9);
  for (ms = 30_000; !log.text.includes('elapsed 00:30\n'); ) await new Promise((done) => setTimeout(done, 5));
  ms = 60_000;
  while (!log.text.includes('elapsed 01:00\n')) await new Promise((done) => setTimeout(done, 5));
  meter.end();
  t.is(log.text, ['00:00', '00:30', '01:00'].map((time) => `building  0%  elapsed ${time}\n`).join(''));
});

test('the line is removed if the work throws', (t) => {
  const screen = new Screen(true);
  t.throws(() => {
    using meter = new Meter(screen);
    meter.update(1, 10, ['loss 3.2']);
    throw new Error('the disk is full');
  });
  t.true(screen.text.endsWith('\r\x1b[2K'));
});

test('limits how often updates redraw the line', (t) => {
  const screen = new Screen(true);
  const meter = new Meter(screen);
  for (let i = 1; i <= 5000; i++) meter.update(i, 10_000, ['x']);
  for (let i = 1; i <= 5000; i++) meter.update(i, null, ['x']);
  t.true(screen.text.split('\r').length < 100);
});

test('a pipe receives plain lines, always including the last', (t) => {
  const screen = new Screen(false);
  const meter = new Meter(screen);
  for (let i = 1; i <= 100; i++) meter.update(i, 100, [`step ${i}/100`, 'loss 1']);
  meter.update(100, 100, ['step 100/100', 'loss 1']);
  meter.end();
  t.is(screen.text, 'step 1/100  loss 1\nstep 100/100  loss 1\n');
});

test('a bar has at most its width, whatever the share', (t) => {
  for (const [done, cells] of [
    [15, 24],
    [-5, 0],
  ] as const) {
    const screen = new Screen(true);
    new Meter(screen).update(done, 10, ['loss 3.2']);
    t.true(screen.line.startsWith(`${'━'.repeat(cells)}${'─'.repeat(24 - cells)}  `), screen.line);
  }
});

test('control characters in names from files are escaped', (t) => {
  for (const isTTY of [true, false]) {
    const screen = new Screen(isTTY);
    const { meter } = metered(screen);
    meter.say('first\nsecond \x1b]0;title\x07');
    t.is(screen.text, 'first\nsecond \\x1b]0;title\\x07\n');
    meter.update(1, 2, ['run a\x9b2J']);
    t.regex(screen.line, /run a\\x9b2J/);
  }
});
