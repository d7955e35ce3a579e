// A local host of weights whose responses a test defines.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The file that hosts send. */
export const weights: Buffer = randomBytes(300_000);
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const hash: string = sha256(weights);

/** Answers one request; `asked` is the number of requests so far, including this one. */
export type Answer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

export interface Host {
  server: Server;
  url: string;
  cache: string;
  /** The Range header of each request. */
  ranges: (string | undefined)[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a local host whose requests `answer` handles, and creates an empty cache. */
export async function host(answer: Answer): Promise<Host> {
  const cache = await mkdtemp(join(tmpdir(), 'horoball-pull-'));
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    cache,
    ranges,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await rm(cache, { recursive: true, force: true });
    },
  };
}

export interface Sending {
  body?: Buffer;
  headers?: Record<string, string>;
  /** Bytes after which the connection breaks or stalls. */
  stopAfter?: number;
  stall?: boolean;
  noRange?: boolean;
  /** Answers with a range even if the file has changed. */
  ignoreIfRange?: boolean;
}

/** Sends a file like a host that supports Range and If-Range, or stops partway. */
export function send(request: IncomingMessage, response: ServerResponse, sending: Sending = {}): void {
  const { body = weights, headers = {}, stopAfter = Infinity, stall = false } = sending;
  const version = headers['etag'] ?? headers['last-modified'];
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const same = sending.ignoreIfRange || condition === undefined || condition === version;
  const start = wanted !== null && same && !sending.noRange ? Number(wanted[1]) : 0;
  if (start >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}`, ...headers }).end();
    return;
  }
  const range = start > 0 ? { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : {};
  const rest = body.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length, ...range, ...headers });
  if (rest.length <= stopAfter) {
    response.end(rest);
    return;
  }
  response.write(rest.subarray(0, stopAfter), () => {
    if (!stall) setTimeout(() => response.destroy(), 20);
  });
}

/** Options of a download that neither waits long nor gives up early. */
export const quick = { pause: 1, patience: 5000 } as const;
