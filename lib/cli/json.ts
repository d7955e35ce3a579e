/** Writes one JSON object per line to stdout, for programs. */
export function jsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
