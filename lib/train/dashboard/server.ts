import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { coded } from '../../errors.ts';
import { livePage } from './live-page.ts';
import { section, topics } from './sections.ts';
import type { LiveState, Topic } from './state.ts';

export const defaultPort = 8265;

/** Between two updates of a page: people see no more, and drawing takes time that training wants. */
const pauseMs = 500;

const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** Serves the live page of a run on 127.0.0.1: `/`, and `/events` with the parts that change. */
export class Dashboard implements AsyncDisposable {
  readonly #server: Server;
  readonly #state: LiveState;
  readonly #clients = new Set<ServerResponse>();
  readonly #changed = new Set<Topic>();
  #timer: NodeJS.Timeout | null = null;

  private constructor(state: LiveState) {
    this.#state = state;
    this.#server = createServer((request, response) => this.#answer(request, response));
    state.onChange((changed) => this.#note(changed));
  }

  /**
   * @param port - 0: any that is free
   * @throws `ERR_HOROBALL_PORT` where the port is taken or not allowed
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

  /** Sends what is left, tells the pages that the run is over, and stops serving. */
  async close(): Promise<void> {
    this.#send();
    for (const client of this.#clients) client.end('event: end\ndata: {}\n\n');
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
    // A page elsewhere can make its own name mean 127.0.0.1; it cannot make the browser say another name than that.
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
    response.write(`retry: 2000\n\n${topics.map((topic) => this.#event(topic)).join('')}`);
    this.#clients.add(response);
    response.on('close', () => this.#clients.delete(response));
  }

  #event(topic: Topic): string {
    return `event: ${topic}\ndata: ${JSON.stringify(section(topic, this.#state.run).text)}\n\n`;
  }

  #note(changed: readonly Topic[]): void {
    for (const topic of changed) this.#changed.add(topic);
    this.#timer ??= setTimeout(() => this.#send(), pauseMs).unref();
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#clients.size > 0) {
      const text = [...this.#changed].map((topic) => this.#event(topic)).join('');
      for (const client of this.#clients) client.write(text);
    }
    this.#changed.clear();
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, headers).end();
}

function portError(port: number, { code }: NodeJS.ErrnoException): Error {
  const why = code === 'EADDRINUSE' ? 'another program uses it' : code === 'EACCES' ? 'it is reserved' : code;
  return coded(
    'ERR_HOROBALL_PORT',
    `[dashboard] port: ${port} cannot be had (${why}); choose another, or 0 for any that is free`,
  );
}
