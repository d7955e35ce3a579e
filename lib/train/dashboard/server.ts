import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { coded } from '../../errors.ts';
import { livePage, scriptSource } from './live-page.ts';
import { section, topics } from './sections.ts';
import type { LiveState, Topic } from './state.ts';

export const defaultPort = 8265;

/** Pause between two updates of a page; shorter ones would slow down training without being visible. */
const pauseMs = 500;

/**
 * Maximum number of open pages. Each uses a file descriptor of the training process; a changed part is
 * rendered once for all of them.
 */
const mostConnections = 64;

const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; script-src ${scriptSource}; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};

/** Serves the live page of a run on 127.0.0.1: `/`, and `/events` with the changing parts. */
export class Dashboard implements AsyncDisposable {
  readonly #server: Server;
  readonly #state: LiveState;
  /** The open pages, each with the topics that have changed since its last update. */
  readonly #clients = new Map<ServerResponse, Set<Topic>>();
  readonly #changed = new Set<Topic>();
  #timer: NodeJS.Timeout | null = null;

  private constructor(state: LiveState) {
    this.#state = state;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.maxConnections = mostConnections;
    state.onChange((changed) => this.#note(changed));
  }

  /**
   * @param port - 0 picks a free port
   * @throws `ERR_HOROBALL_PORT` if the port is in use or not permitted
   */
  static async open(state: LiveState, port: number = defaultPort): Promise<Dashboard> {
    const dashboard = new Dashboard(state);
    await new Promise<void>((resolve, reject) => {
      dashboard.#server.once('error', (error: NodeJS.ErrnoException) => reject(portError(port, error)));
      dashboard.#server.listen(port, '127.0.0.1', resolve);
    });
    return dashboard;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Sends pending updates, notifies the pages that the run has ended, and stops serving. */
  async close(): Promise<void> {
    this.#send();
    for (const client of this.#clients.keys()) client.end('event: end\ndata: {}\n\n');
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 1000).unref();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // Prevents DNS rebinding: if another site's name resolves to 127.0.0.1, the Host header still has that
    // name.
    const host = request.headers.host?.replace(/:\d+$/, '');
    const path = request.url?.split('?')[0];
    if (host !== '127.0.0.1' && host !== 'localhost') refuse(response, 403);
    else if (request.method !== 'GET') refuse(response, 405);
    else if (path === '/events') this.#subscribe(response);
    else if (path === '/') {
      response.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8' });
      response.end(livePage(this.#state.run));
    } else refuse(response, 404);
  }

  #subscribe(response: ServerResponse): void {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
    response.write(`retry: 2000\n\n${topics.map(this.#events()).join('')}`);
    this.#clients.set(response, new Set());
    response.on('drain', () => this.#sendTo(response));
    response.on('close', () => this.#clients.delete(response));
  }

  /** Renders events of the present state, each topic at most once. */
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
    this.#timer ??= setTimeout(() => this.#send(), pauseMs).unref();
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const events = this.#events();
    for (const [client, pending] of this.#clients) {
      for (const topic of this.#changed) pending.add(topic);
      this.#sendTo(client, events);
    }
    this.#changed.clear();
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

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, headers).end();
}

function portError(port: number, { code }: NodeJS.ErrnoException): Error {
  const why = code === 'EADDRINUSE' ? 'already in use' : code === 'EACCES' ? 'reserved' : code;
  return coded(
    'ERR_HOROBALL_PORT',
    `[dashboard] port: expected a free port, got ${port} (${why}). Choose another port, or 0 for any free port.`,
  );
}
