import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { coded } from '../../errors.ts';
import { scriptText } from '../report/run/page.ts';

export const defaultPort = 8265;

/** Maximum number of open connections. Each takes a file descriptor that the process may need for training. */
const maxConnections = 64;

/** Responds to a GET request; returns false if nothing exists at this path. */
export type Answer = (url: URL, response: ServerResponse) => boolean | Promise<boolean>;

/** Serves pages on 127.0.0.1. Other sites can neither read nor control them. */
export class LocalServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #answer: Answer;

  private constructor(answer: Answer) {
    this.#answer = answer;
    this.#server = createServer((request, response) => void this.#respond(request, response));
    this.#server.maxConnections = maxConnections;
  }

  /**
   * Starts serving.
   *
   * @param port - 0 picks a free port
   * @throws `ERR_HOROBALL_PORT` if the port is in use or not permitted
   */
  static async open(answer: Answer, port: number): Promise<LocalServer> {
    const local = new LocalServer(answer);
    await new Promise<void>((resolve, reject) => {
      local.#server.once('error', (error: NodeJS.ErrnoException) => reject(portError(port, error)));
      local.#server.listen(port, '127.0.0.1', resolve);
    });
    return local;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Stops serving; open connections have a second to finish. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 1000).unref();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Prevents DNS rebinding: if the name of another site resolves to 127.0.0.1, the Host header still has that name.
    const host = request.headers.host?.replace(/:\d+$/, '');
    if (host !== '127.0.0.1' && host !== 'localhost') return refuse(response, 403);
    if (request.method !== 'GET') return refuse(response, 405);
    if (!URL.canParse(request.url ?? '', this.url)) return refuse(response, 400);
    try {
      if (!(await this.#answer(new URL(request.url!, this.url), response))) refuse(response, 404);
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      response.writeHead(500, headers()).end((error as Error).message);
    }
  }
}

/**
 * Sends a page. Its content security policy allows no script except that of reports and `more`.
 * @param more - additional script of the page
 */
export function sendPage(response: ServerResponse, text: string, more: string = ''): void {
  response.writeHead(200, { ...headers(scriptText(more)), 'content-type': 'text/html; charset=utf-8' });
  response.end(text);
}

/**
 * Returns the headers of a response.
 * @param script - the only script that the page may run
 */
export function headers(script?: string): Record<string, string> {
  const allowed =
    script === undefined ? "'none'" : `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
  return {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; script-src ${allowed}; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, headers()).end();
}

function portError(port: number, { code }: NodeJS.ErrnoException): Error {
  const why = code === 'EADDRINUSE' ? 'already in use' : code === 'EACCES' ? 'reserved' : code;
  return coded(
    'ERR_HOROBALL_PORT',
    `[dashboard] port: expected a free port, got ${port} (${why}). Choose another port, or 0 for any free port.`,
  );
}
