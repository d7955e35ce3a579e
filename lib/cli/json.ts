/** Writes a value to stdout as one line of JSON, for programs. */
export function jsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
