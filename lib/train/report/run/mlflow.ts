import { hostname } from 'node:os';
import { reasonOf } from '../../../io/file-errors.ts';
import type { RunConfig } from '../../options/options.ts';
import type { RunEnd, RunListener } from '../../run/hooks.ts';
import type { EvaluationRow, StepRow } from '../../run/record.ts';

/** Options of {@link Mlflow}. */
export interface MlflowOptions {
  /** The tracking server, such as http://127.0.0.1:5000. */
  url: string;
  /** Name of the experiment, which is created if it does not exist; default `horoball`. */
  experiment?: string | undefined;
  /** Environment variables with credentials; default `process.env`. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Receives the reason if a request fails. */
  warn: (text: string) => void;
}

interface Metric {
  key: string;
  value: number;
  timestamp: number;
  step: number;
}

/** Limits of the server for a `log-batch` request. */
const most = { metrics: 1000, params: 100, valueLength: 500 };
/** Time after which collected metrics are sent, even if they do not fill half a batch. */
const flushMs = 5000;
/** Time limit of a request, so that an unresponsive server does not delay a run for long. */
const timeoutMs = 10_000;
/** Time after the end of a run in which the remaining metrics may be sent to a slow server. */
const endMs = 30_000;
/** Maximum size of a response in bytes; those of the server have less than a kilobyte. */
const maxResponse = 2 ** 20;
const statuses = { complete: 'FINISHED', interrupted: 'KILLED', failed: 'FAILED' } as const;

/**
 * Logs a run to an MLflow tracking server over its REST API 2.0: options as parameters, and steps and evaluations as
 * metrics. A resumed run is logged as a new MLflow run, which starts at the resumed step. The first failure becomes a
 * warning and ends the logging, but not the run. Credentials are read from the variables of MLflow's own client:
 * `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
 */
export class Mlflow implements RunListener {
  readonly #options: MlflowOptions;
  #run: string | null = null;
  #failed = false;
  #waiting: Metric[] = [];
  #sentAt = 0;
  /** The requests in progress, one after another; training does not wait for them. */
  #sending: Promise<void> | null = null;
  /** A time of `performance.now()` after which no more metrics are sent. */
  #endsAt = Number.POSITIVE_INFINITY;

  constructor(options: MlflowOptions) {
    this.#options = options;
  }

  async onBegin(config: RunConfig): Promise<void> {
    await this.#attempt(async () => {
      const { run } = (await this.#post('runs/create', {
        experiment_id: await this.#experiment(),
        run_name: config.name ?? 'horoball',
        start_time: Date.now(),
        tags: [
          { key: 'mlflow.source.name', value: 'horoball train' },
          { key: 'host', value: hostname() },
        ],
      })) as { run: { info: { run_id: string } } };
      this.#run = run.info.run_id;
      const params = Object.entries(config).map(([key, value]) => ({
        key,
        value: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, most.valueLength),
      }));
      for (let at = 0; at < params.length; at += most.params)
        await this.#post('runs/log-batch', { run_id: this.#run, params: params.slice(at, at + most.params) });
    });
    this.#sentAt = performance.now();
  }

  onStep(row: StepRow): void {
    const { loss, accuracy, lr, gradNorm, imagesPerSecond, waitMs, scale, t_e, t_h, hyp_c } = row;
    const values = { loss, accuracy, lr, gradNorm, imagesPerSecond, waitMs, scale, t_e, t_h, hyp_c };
    this.#add(row.step, values);
  }

  onEvaluation(row: EvaluationRow): void {
    const values: Record<string, number | undefined> = {};
    for (const [space, { at, rPrecision, mapAtR }] of Object.entries(row.spaces)) {
      // MLflow does not allow `@` in metric names.
      for (const [k, recall] of Object.entries(at)) values[`${space}/recall_at_${k}`] = recall;
      values[`${space}/r_precision`] = rPrecision;
      values[`${space}/map_at_r`] = mapAtR;
    }
    this.#add(row.step, values);
  }

  async onEnd(end: RunEnd): Promise<void> {
    this.#endsAt = performance.now() + endMs;
    this.#flush();
    await this.#sending;
    await this.#attempt(async () => {
      if (this.#run === null) return;
      const status = statuses[end];
      await this.#post('runs/update', { run_id: this.#run, status, end_time: Date.now() });
    });
  }

  #add(step: number, values: Readonly<Record<string, number | undefined>>): void {
    if (this.#run === null || this.#failed) return;
    const timestamp = Date.now();
    for (const [key, value] of Object.entries(values))
      if (value !== undefined && Number.isFinite(value)) this.#waiting.push({ key, value, timestamp, step });
    if (this.#waiting.length >= most.metrics / 2 || performance.now() - this.#sentAt > flushMs) this.#flush();
  }

  #flush(): void {
    this.#sentAt = performance.now();
    if (this.#waiting.length > 0) this.#sending ??= this.#sendAll();
  }

  /** Sends the collected metrics, and those that are added in the meantime: a slow server gets fewer, larger requests. */
  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#failed) {
      const metrics = this.#waiting.splice(0, most.metrics);
      await this.#attempt(async () => {
        if (performance.now() > this.#endsAt) throw new Error('it is too slow');
        await this.#post('runs/log-batch', { run_id: this.#run, metrics });
      });
    }
    this.#waiting = [];
    this.#sending = null; // without waiting after the last check, so that no metric is left behind
  }

  /** Returns the id of the experiment, which is created if it does not exist. */
  async #experiment(): Promise<string> {
    const { experiment: name = 'horoball' } = this.#options;
    const found = await this.#experimentNamed(name);
    if (found !== null) return found;
    try {
      return ((await this.#post('experiments/create', { name })) as { experiment_id: string }).experiment_id;
    } catch (error) {
      // Another run may have created it in the meantime.
      const other = await this.#experimentNamed(name);
      if (other === null) throw error;
      return other;
    }
  }

  /** Returns the id of an experiment; null if it does not exist. */
  async #experimentNamed(name: string): Promise<string | null> {
    const query = new URLSearchParams({ experiment_name: name });
    const response = await this.#fetch(`experiments/get-by-name?${query}`);
    if (response.status === 404) return null;
    const { experiment } = (await answerOf(response)) as { experiment: { experiment_id: string } };
    return experiment.experiment_id;
  }

  async #post(path: string, body: object): Promise<unknown> {
    return await answerOf(await this.#fetch(path, JSON.stringify(body)));
  }

  #fetch(path: string, body?: string): Promise<Response> {
    const { url, env = process.env } = this.#options;
    const [token, user] = [env['MLFLOW_TRACKING_TOKEN'], env['MLFLOW_TRACKING_USERNAME']];
    const pair = Buffer.from(`${user}:${env['MLFLOW_TRACKING_PASSWORD'] ?? ''}`).toString('base64');
    const authorization = token ? `Bearer ${token}` : user ? `Basic ${pair}` : undefined;
    return fetch(`${url.replace(/\/+$/, '')}/api/2.0/mlflow/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    if (this.#failed) return;
    try {
      await work();
    } catch (error) {
      this.#failed = true;
      const { cause = error } = error as { cause?: unknown };
      this.#options.warn(
        `MLflow at ${this.#options.url} failed (${reasonOf(cause)}), so this run is no longer logged there`,
      );
    }
  }
}

async function answerOf(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxResponse) throw new Error(`a response of more than ${maxResponse} bytes`);
  }
  const text = Buffer.concat(chunks).toString();
  if (response.ok) return JSON.parse(text);
  throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
}
