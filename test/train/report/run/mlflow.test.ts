// Tests the Mlflow listener with a fake server that implements MLflow's REST API.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { parseConfig } from '../../../../lib/train/options/resolve.ts';
import { Mlflow } from '../../../../lib/train/report/run/mlflow.ts';
import type { EvaluationRow, StepRow } from '../../../../lib/train/run/record.ts';
import { evaluationRow, stepRow } from '../../fake-run.ts';

interface Call {
  path: string;
  authorization: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: what a client sends
  body: any;
}

/** Starts a server that rejects the same requests as MLflow: names with `@`, batches over its limits, unknown runs. */
async function serve(t: ExecutionContext, failAfter = Number.POSITIVE_INFINITY) {
  const calls: Call[] = [];
  const experiments = new Map<string, string>();
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const part of request) text += part;
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const path = pathname.replace('/api/2.0/mlflow/', '');
    const body = text === '' ? {} : JSON.parse(text);
    calls.push({ path, authorization: request.headers.authorization, body });
    const answer = (status: number, value: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    if (calls.length > failAfter) return answer(500, { error_code: 'INTERNAL_ERROR' });
    const { metrics = [], params = [] } = body as { metrics?: { key: string }[]; params?: { key: string }[] };
    const names = [...metrics, ...params].map(({ key }) => key);
    if (metrics.length > 1000 || params.length > 100 || names.some((name) => !/^[\w ./-]{1,250}$/.test(name)))
      return answer(400, { error_code: 'INVALID_PARAMETER_VALUE' });
    if (path === 'experiments/get-by-name') {
      const id = experiments.get(searchParams.get('experiment_name')!);
      if (id !== undefined) return answer(200, { experiment: { experiment_id: id } });
      await sleep(100); // so that another run can ask before this one creates the experiment
      return answer(404, {});
    }
    if (path === 'experiments/create') {
      if (experiments.has(body.name)) return answer(400, { error_code: 'RESOURCE_ALREADY_EXISTS' });
      experiments.set(body.name, '7');
      return answer(200, { experiment_id: '7' });
    }
    if (path === 'runs/create') return answer(200, { run: { info: { run_id: 'r1' } } });
    return body.run_id === 'r1' ? answer(200, {}) : answer(404, {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

async function log(url: string, steps: number, env = {}): Promise<string[]> {
  const warnings: string[] = [];
  const mlflow = new Mlflow({ url, env, warn: (text) => void warnings.push(text) });
  await mlflow.onBegin({ ...parseConfig({ t_h: 0.3 }), name: 'mine' });
  for (let step = 1; step <= steps; ++step) mlflow.onStep(stepRow(step) as StepRow);
  mlflow.onEvaluation(evaluationRow(steps, 0.5) as EvaluationRow);
  await mlflow.onEnd('complete');
  return warnings;
}

test('logs options, steps and evaluations, in batches that the server accepts', async (t) => {
  const { calls, url } = await serve(t);
  t.deepEqual(await log(url, 400, { MLFLOW_TRACKING_TOKEN: 'secret' }), []);
  t.deepEqual(
    calls.slice(0, 3).map(({ path }) => path),
    ['experiments/get-by-name', 'experiments/create', 'runs/create'],
  );
  t.true(calls.every(({ authorization }) => authorization === 'Bearer secret'));
  t.is(calls[2]!.body.run_name, 'mine');
  const sent = calls.filter(({ path }) => path === 'runs/log-batch').map(({ body }) => body);
  const params = sent.flatMap((body) => body.params ?? []);
  t.is(params.find(({ key }) => key === 't_h').value, '0.3');
  const metrics = sent.flatMap((body) => body.metrics ?? []);
  const losses = metrics.filter(({ key }) => key === 'loss');
  t.deepEqual(
    losses.map(({ step, value }) => [step, value]),
    Array.from({ length: 400 }, (_, i) => [i + 1, (stepRow(i + 1) as StepRow).loss]),
  );
  t.is(metrics.find(({ key }) => key === 'hyperbolic/recall_at_1').value, 0.5);
  t.like(calls.at(-1)!, { path: 'runs/update', body: { run_id: 'r1', status: 'FINISHED' } });
  await log(url, 1);
  t.is(calls.filter(({ path }) => path === 'experiments/create').length, 1, 'the experiment is reused');
});

test('runs that start at the same time are logged to the experiment that one of them creates', async (t) => {
  const { calls, url } = await serve(t);
  t.deepEqual(await Promise.all([log(url, 1), log(url, 1), log(url, 1)]), [[], [], []]);
  const called = (wanted: string): number => calls.filter(({ path }) => path === wanted).length;
  t.is(called('experiments/create'), 3);
  t.is(called('runs/create'), 3);
});

test('a failing server causes a single warning', async (t) => {
  const { calls, url } = await serve(t, 5);
  const warnings = await log(url, 500);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /^MLflow at \S+ failed \(status 500: .*\), so this run is no longer logged there$/s);
  t.is(calls.length, 6);
  const unreachable = await log('http://127.0.0.1:9', 3);
  t.is(unreachable.length, 1);
  t.regex(unreachable[0]!, /^MLflow at http:\/\/127\.0\.0\.1:9 failed \(.+\)/);
});

test('metrics wait for a slow server, but not for long at the end of the run', async (t) => {
  const { calls, url } = await serve(t);
  const warnings: string[] = [];
  const mlflow = new Mlflow({ url, env: {}, warn: (text) => void warnings.push(text) });
  await mlflow.onBegin({ ...parseConfig({}), name: 'mine' });
  const before = calls.length;
  for (let step = 1; step <= 10_000; ++step) mlflow.onStep(stepRow(step) as StepRow);
  const end = mlflow.onEnd('complete');
  const { now } = performance;
  t.teardown(() => Object.assign(performance, { now }));
  while (calls.length < before + 3) await new Promise((resolve) => setTimeout(resolve, 1));
  const sizes = calls.slice(before).map(({ body }) => body.metrics.length);
  t.true(
    sizes.slice(1).every((size) => size === 1000),
    `full requests: ${sizes}`,
  );
  performance.now = () => now.call(performance) + 1e6;
  await end;
  t.true(calls.length < before + 10, `${calls.length - before} requests`);
  t.deepEqual(warnings.length, 1);
  t.regex(warnings[0]!, /failed \(it is too slow\)/);
});

test('an endless response causes a warning', async (t) => {
  const server = createServer((_, response) => {
    const write = (): void => void (response.writable && response.write('x'.repeat(2 ** 16), write));
    write();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const warnings = await log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 1);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /a response of more than 1048576 bytes/);
});
