/** How set-up talks to people; the command line gives a meter on stderr. */
export interface Ui {
  /** A line that stays. */
  say(text: string): void;
  /** How far the present work is. */
  progress(done: number, total: number, text: string): void;
}
