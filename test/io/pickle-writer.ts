// Builds pickles and the archives around them, for files that torch would not write.
import { zipSync } from 'fflate';

export function bytesOf(...parts: (string | number | readonly number[] | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'latin1');
      return Buffer.from(typeof part === 'number' ? [part] : part);
    }),
  );
}

export function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

export function text(value: string): Uint8Array {
  return bytesOf('X', u32(value.length), value);
}

/** A `.pth` file with a given pickle of protocol 2. */
export function archive(pickle: Uint8Array, more: Record<string, Uint8Array> = {}): Uint8Array {
  return zipSync(
    { 'x/data.pkl': bytesOf(0x80, 2, pickle), 'x/version': bytesOf('3\n'), ...more },
    { level: 0 },
  );
}
