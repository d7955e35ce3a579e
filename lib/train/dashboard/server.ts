import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { livePage, script } from './live-page.ts';
import { defaultPort, headers, LocalServer, sendPage } from './local-server.ts';
import { section, topics } from './sections.ts';
import type { LiveState, Topic } from './state.ts';

/** Minimum time between two updates of a page. More frequent updates would slow down training without a visible benefit. */
const pauseMs = 500;
/** Minimum time relative to the duration of the last update, which blocks the thread of the training loop. */
const pauseFactor = 10;

/** Maximum time to send the last updates when a run ends. */
const longestSendMs = 1000;

/** Serves the live page of a run on 127.0.0.1: the page at `/`, and its updates at `/events`. */
export class Dashboard implements AsyncDisposable {
  readonly #state: LiveState;
  #server!: LocalServer;
  /** The open pages, each with the topics that have changed since its last update. */
  readonly #clients = new Map<ServerResponse, Set<Topic>>();
  readonly #changed = new Set<Topic>();
  #timer: NodeJS.Timeout | null = null;
  /** Duration of the last update in milliseconds. */
  #took = 0;

  private constructor(state: LiveState) {
    this.#state = state;
    state.onChange((changed) => this.#note(changed));
  }

  /**
   * Starts serving the page.
   *
   * @param port - 0 picks a free port
   * @throws `ERR_HOROBALL_PORT` if the port is in use or not permitted
   */
  static async open(state: LiveState, port: number = defaultPort): Promise<Dashboard> {
    const dashboard = new Dashboard(state);
    dashboard.#server = await LocalServer.open((url, response) => dashboard.#answer(url, response), port);
    return dashboard;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Sends pending updates, to slow pages too, notifies the pages that the run has ended, and stops serving. */
  async close(): Promise<void> {
    this.#send();
    const event = this.#events();
    const ended = [...this.#clients].map(async ([client, pending]) => {
      client.end(`${[...pending].map(event).join('')}event: end\ndata: {}\n\n`);
      await finished(client).catch(() => {}); // the page was closed
    });
    // Closing the server destroys connections whose data has not been sent.
    await Promise.race([Promise.all(ended), sleep(longestSendMs, undefined, { ref: false })]);
    await this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer({ pathname }: URL, response: ServerResponse): boolean {
    if (pathname === '/events') this.#subscribe(response);
    else if (pathname === '/') sendPage(response, livePage(this.#state.run), script);
    else return false;
    return true;
  }

  #subscribe(response: ServerResponse): void {
    response.writeHead(200, { ...headers(), 'content-type': 'text/event-stream' });
    response.write(`retry: 2000\n\n${topics.map(this.#events()).join('')}`);
    this.#clients.set(response, new Set());
    response.on('drain', () => this.#sendTo(response));
    response.on('close', () => this.#clients.delete(response));
  }

  /** Returns a function that renders the event of a topic once, and returns the same text on later calls. */
  #events(): (topic: Topic) => string {
    const rendered = new Map<Topic, string>();
    return (topic) => {
      const known = rendered.get(topic);
      if (known !== undefined) return known;
      const event = `event: ${topic}\ndata: ${JSON.stringify(section(topic, this.#state.run).text)}\n\n`;
      rendered.set(topic, event);
      return event;
    };
  }

  #note(changed: readonly Topic[]): void {
    for (const topic of changed) this.#changed.add(topic);
    this.#timer ??= setTimeout(() => this.#send(), Math.max(pauseMs, pauseFactor * this.#took)).unref();
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const events = this.#events();
    const began = performance.now();
    for (const [client, pending] of this.#clients) {
      for (const topic of this.#changed) pending.add(topic);
      this.#sendTo(client, events);
    }
    this.#changed.clear();
    this.#took = performance.now() - began;
  }

  /** Updates a page. A slow page gets only the latest state of each topic, so nothing accumulates. */
  #sendTo(client: ServerResponse, event = this.#events()): void {
    const pending = this.#clients.get(client);
    if (pending === undefined || pending.size === 0 || client.writableNeedDrain) return;
    const text = [...pending].map(event).join('');
    pending.clear();
    client.write(text);
  }
}
