/** Renders drawings in child processes, which are killed if a drawing takes too long. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { coded } from '../../../errors.ts';
import type { RenderAnswer, RenderRequest } from './render-child.ts';
import type { Drawing } from './svg.ts';

/** Time limit per drawing; the slowest drawing of the pinned sets takes about 0.3 s. */
const maxSeconds = 20;

const empty: Drawing = {
  body: '',
  left: 0,
  top: 0,
  width: 1,
  height: 1,
  hFlip: false,
  vFlip: false,
  rotate: 0,
};

const program = fileURLToPath(new URL('render-child.js', import.meta.url));

/**
 * A pool of child processes, each of which renders one drawing at a time. librsvg cannot be interrupted, so a small drawing
 * with expensive filters could otherwise block a thread of this process for minutes.
 */
export class Renderer {
  readonly #seconds: number;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();

  /** @param seconds - the time limit of a drawing */
  constructor(seconds: number = maxSeconds) {
    this.#seconds = seconds;
  }

  /**
   * Renders a drawing as a PNG image of `size` x `size` pixels on white.
   * @throws `ERR_HOROBALL_PICTURE` if it is too large, has external references, cannot be rendered, or takes too long
   */
  async render(drawing: Drawing, size: number): Promise<Uint8Array> {
    const child = this.#idle.pop() ?? (await this.#start());
    try {
      return await this.#ask(child, { drawing, size }, this.#seconds);
    } finally {
      if (child.connected && !child.killed) this.#idle.push(child);
    }
  }

  /** Kills all child processes. */
  close(): void {
    for (const child of this.#all) child.kill('SIGKILL');
  }

  /** Starts a process. Renders an empty drawing first, so that loading the decoder does not count toward the time limit. */
  async #start(): Promise<ChildProcess> {
    const child = fork(program, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#all.add(child);
    child.once('exit', () => {
      this.#all.delete(child);
      const at = this.#idle.indexOf(child);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    await this.#ask(child, { drawing: empty, size: 1 }, Number.POSITIVE_INFINITY);
    return child;
  }

  #ask(child: ChildProcess, request: RenderRequest, seconds: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const fail = (message: string): void => finish({ code: 'ERR_HOROBALL_PICTURE', message });
      const finish = (answer: RenderAnswer): void => {
        clearTimeout(timer);
        child.off('message', finish).off('exit', ended).off('error', failed);
        if ('png' in answer) resolve(answer.png);
        else
          reject(answer.code === undefined ? new Error(answer.message) : coded(answer.code, answer.message));
      };
      const ended = (): void => fail('its renderer exited unexpectedly');
      const failed = (error: Error): void => fail(`its renderer cannot be reached: ${error.message}`);
      const giveUp = (): void => {
        child.kill('SIGKILL');
        fail(`rendering took more than ${seconds} s`);
      };
      const timer = Number.isFinite(seconds) ? setTimeout(giveUp, 1000 * seconds) : undefined;
      child.once('message', finish);
      child.once('exit', ended).once('error', failed);
      child.send(request, (error) => error && failed(error));
    });
  }
}
