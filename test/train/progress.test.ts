import test from 'ava';
import { clock, Meter } from '../../lib/train/progress.ts';

class Screen {
  readonly isTTY: boolean;
  readonly columns = 60;
  text = '';
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

test('a terminal has one line that is drawn again and fits', (t) => {
  const screen = new Screen(true);
  const meter = new Meter(screen);
  meter.update(1, 10, 'loss 3.2'.padEnd(100, '.')); // what is left is not cut
  t.true(screen.text.startsWith('\r\x1b[2K━'));
  t.regex(screen.text, /━+─+ 1\/10, \d+:\d\d left {2}loss 3\.2/);
  t.is(screen.text.replace('\r\x1b[2K', '').length, 59);
  t.false(screen.text.includes('\n'));
  meter.say('a line that stays');
  t.true(screen.text.endsWith('\r\x1b[2Ka line that stays\n'));
});

test('a bar does not stay where the work ends in an error', (t) => {
  const screen = new Screen(true);
  t.throws(() => {
    using meter = new Meter(screen);
    meter.update(1, 10, 'loss 3.2');
    throw new Error('the disk is full');
  });
  t.true(screen.text.endsWith('\r\x1b[2K'));
});

test('many updates draw few lines', (t) => {
  const screen = new Screen(true);
  const meter = new Meter(screen);
  for (let i = 1; i <= 5000; i++) meter.update(i, 10_000, 'x');
  t.true(screen.text.split('\r').length < 50);
});

test('elsewhere it is plain lines, the last always', (t) => {
  const screen = new Screen(false);
  const meter = new Meter(screen);
  for (let i = 1; i <= 100; i++) meter.update(i, 100, 'loss 1');
  meter.end();
  const lines = screen.text.trimEnd().split('\n');
  t.is(lines.length, 2);
  t.regex(lines[0]!, /^1\/100 loss 1, \d+:\d\d left$/);
  t.is(lines[1], '100/100 loss 1');
  t.false(screen.text.includes('\x1b'));
});

test('time left as a clock shows it', (t) => {
  t.is(clock(7.4), '0:07');
  t.is(clock(754), '12:34');
  t.is(clock(3723), '1:02:03');
});
