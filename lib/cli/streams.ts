import { reasonOf } from '../io/file-errors.ts';

/** The exit code that shells report for a program whose reader has closed the pipe: 128 + SIGPIPE. */
const readerLeft = 141;

/**
 * Keeps output errors from ending the work of a command: a run continues when `| head` has read enough or a disk is
 * full. If rows did not reach stdout, an otherwise successful command exits with an error; messages that did not reach
 * stderr are ignored.
 */
export function outputGuard(): { finish(): Promise<void> } {
  let lost: NodeJS.ErrnoException | null = null;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    lost ??= error;
  });
  process.stderr.on('error', () => {});
  return {
    /** Waits for pending output, then sets the exit code. */
    async finish(): Promise<void> {
      await new Promise<void>((resolve) => {
        process.stdout.write('', () => resolve());
      });
      if (lost === null || (process.exitCode ?? 0) !== 0) return;
      process.exitCode = lost.code === 'EPIPE' ? readerLeft : 1;
      if (lost.code !== 'EPIPE') process.stderr.write(`horoball: stdout: ${reasonOf(lost)}\n`);
    },
  };
}
