import test from 'ava';
import { clock, EvaluationTimes, Pace } from '../../../lib/train/run/progress.ts';

test('the clock starts with the first item', (t) => {
  const pace = new Pace(30_000);
  pace.update(0, 0, 100);
  t.is(pace.perSecond, null);
  pace.update(60_000, 1, 100); // preparation takes one minute
  t.is(pace.secondsLeft, null);
  pace.update(61_000, 11, 100);
  t.is(pace.perSecond, 10);
  t.is(pace.secondsLeft, 8.9);
});

test('resumed work counts from its first update', (t) => {
  const pace = new Pace(30_000);
  pace.update(0, 501, 1000);
  pace.update(1000, 502, 1000);
  t.is(pace.secondsLeft, 498);
});

test('the average covers recent updates only', (t) => {
  const pace = new Pace(10_000);
  for (let i = 0; i <= 20; i++) pace.update(i * 1000, 1 + i, 1000); // one item per second
  for (let i = 1; i <= 20; i++) pace.update(20_000 + i * 1000, 21 + 10 * i, 1000); // ten items per second
  t.is(pace.perSecond, 10);
});

test('frequent updates do not shorten the averaging window', (t) => {
  const pace = new Pace(10_000);
  for (let i = 1; i <= 20_000; i++) pace.update(i, i, 30_000);
  t.is(pace.perSecond, 1000);
  t.is(pace.secondsLeft, 10);
});

test('gives no remaining time in the first second', (t) => {
  const pace = new Pace(30_000);
  pace.update(0, 1, 100);
  pace.update(7, 2, 100); // items from a full queue
  t.is(pace.secondsLeft, null);
  pace.update(1500, 4, 100);
  t.is(pace.secondsLeft, 48);
});

test('a first batch counts with all of its items', (t) => {
  const pace = new Pace(30_000);
  pace.update(5000, 128, 1408);
  pace.update(7000, 256, 1408);
  t.is(pace.secondsLeft, 18);
});

test('the average of slow items excludes a slow first item', (t) => {
  const pace = new Pace(10_000);
  for (const [i, seconds] of [0, 60, 66, 72, 78, 84, 90].entries()) pace.update(1000 * seconds, 1 + i, 100);
  t.is(pace.secondsLeft, 93 * 6);
});

test('a new total or a smaller count resets the estimate', (t) => {
  const pace = new Pace(30_000);
  pace.update(0, 1, 10);
  pace.update(1000, 10, 10);
  t.is(pace.secondsLeft, null);
  pace.update(50_000, 1, 10);
  t.is(pace.perSecond, null);
  pace.update(51_000, 2, 10);
  t.is(pace.perSecond, 1);
  pace.update(52_000, 3, 20);
  t.is(pace.perSecond, null);
});

test('durations are minutes and seconds, with hours if needed', (t) => {
  t.is(clock(7.4), '00:07');
  t.is(clock(754), '12:34');
  t.is(clock(3723), '1:02:03');
});

test('a pause does not reduce the rate', (t) => {
  const pace = new Pace(30_000);
  for (let i = 1; i <= 5; i++) pace.update(i * 1000, i, 100);
  pace.pause(60_000);
  pace.update(66_000, 6, 100);
  t.is(pace.perSecond, 1);
  t.is(pace.secondsLeft, 94);
});

test('estimates the time of pending evaluations from the earlier ones', (t) => {
  const times = new EvaluationTimes([0, 5, 10, 10, 15]);
  t.is(times.secondsFrom(1), 0, 'no evaluation has been timed');
  times.add(4000);
  t.is(times.secondsFrom(1), 12);
  t.is(times.secondsFrom(5), 12, 'the evaluation after epoch 5 follows its last step');
  times.add(6000);
  t.is(times.secondsFrom(6), 10);
  t.is(times.secondsFrom(16), 0);
});
