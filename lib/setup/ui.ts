/** Receives the messages of setup; the command line shows them with a meter on stderr. */
export interface Ui {
  /** Prints a permanent line. */
  say(text: string): void;
  /** Reports the number of completed items and the total (null if unknown); `unit` is `MB`, for example. */
  progress(done: number, total: number | null, label: string, unit: string): void;
  /** Reports completed steps of unequal length, such as those of a build. */
  steps(done: number, total: number, label: string): void;
  /** Shows the latest output of a tool that does not report its progress. */
  status(text: string): void;
}
