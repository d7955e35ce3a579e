import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { temporary } from '../train/data/support.ts';
import { start } from './run.ts';

const stops: readonly [NodeJS.Signals, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
];
for (const [signal, exitCode] of stops) {
  test(`${signal} ends a download with exit code ${exitCode} and one sentence`, async (t) => {
    const server = createServer(() => running.child.kill(signal)); // interrupts the download instead of answering
    t.teardown(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.pth`;
    const running = start(['weights', 'pull', url, '--cache', await temporary(t), '--json']);
    const { code, stderr, rows } = await running.outcome;
    t.is(code, exitCode);
    t.is(stderr, 'Stopping. Press Ctrl-C again to quit immediately.\nhoroball: stopped\n');
    t.deepEqual(rows(), [{ type: 'error', code: 'ERR_HOROBALL_CANCELLED', message: 'stopped' }]);
  });
}

test('Ctrl-C ends the dashboard of a folder of runs', async (t) => {
  const running = start(['dashboard', await temporary(t), '--port', '0', '--json']);
  running.child.stderr!.once('data', () => running.child.kill('SIGINT'));
  const { code, stderr, rows } = await running.outcome;
  t.is(code, 130);
  const [page, ...more] = rows() as { type: string; url: string }[];
  t.is(page!.type, 'page');
  t.deepEqual(more, []);
  t.is(stderr, `Live page: ${page!.url}\n`);
});
