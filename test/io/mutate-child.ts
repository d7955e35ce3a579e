// Reads mutated files with one reader until its time is up, and prints each file with an unexpected outcome.
//
//   node dist/test/io/mutate-child.js READER SEED SECONDS FOLDER SOURCE...

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { unzipSync, zipSync } from 'fflate';
import { random } from '../../lib/random.ts';
import { peakMegabytes } from '../peak-memory.ts';
import { MatWriter } from './mat-writer.ts';
import { readers } from './readers.ts';

const [reader = '', seed = '', seconds = '', folder = '', ...sources] = process.argv.slice(2);
const next = random(Number(seed));
const below = (n: number): number => Math.floor(next() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

function mutated(bytes: Uint8Array): Buffer {
  let out = Buffer.from(bytes);
  for (let count = 1 + below(4); count > 0 && out.length > 0; count--) {
    const at = below(out.length);
    const change = below(7);
    if (change === 0) out[at] = below(256);
    else if (change === 1) out[at]! ^= 1 << below(8);
    else if (change === 2 && at + 4 <= out.length) out.writeUInt32LE(pick(extremes), at);
    else if (change === 3 && at + 8 <= out.length) out.writeBigUInt64LE(2n ** BigInt(below(64)), at);
    else if (change === 4) out = out.subarray(0, at);
    else if (change === 5) {
      const part = out.subarray(at, at + 1 + below(64));
      out = Buffer.concat([
        out.subarray(0, at),
        ...new Array<Buffer>(1 + below(30)).fill(part),
        out.subarray(at),
      ]);
    } else if (change === 6) {
      out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + below(16))]);
    }
  }
  return out;
}

/** Without checksums and compression, mutations reach the parsers. */
function behindChecksums(bytes: Buffer): Buffer {
  if (reader === 'pth' || reader === 'weights') {
    const entries = unzipSync(bytes);
    for (const name of Object.keys(entries))
      if (name.endsWith('data.pkl')) entries[name] = new Uint8Array(mutated(entries[name]!));
    return Buffer.from(zipSync(entries, { level: 0 }));
  }
  if (reader === 'mat' && bytes.readUInt32LE(128) === 15) {
    const inflated = inflateSync(bytes.subarray(136), { finishFlush: 2 });
    return new MatWriter().around([new MatWriter().compressed(mutated(inflated))]);
  }
  return mutated(bytes);
}

const originals = await Promise.all(sources.map((source) => readFile(source)));
const end = performance.now() + 1000 * Number(seconds);
const path = join(folder, `mutated.${reader}`);
let files = 0;
let read = 0;
for (; performance.now() < end; files++) {
  const original = pick(originals);
  const bytes = next() < 0.5 ? mutated(original) : behindChecksums(original);
  await writeFile(path, bytes);
  const before = process.cpuUsage();
  const code = await readers[reader]!(path).then(
    () => 'read',
    (error: Error & { code?: string }) => error.code ?? `${error.name}: ${error.message}`,
  );
  const { user, system } = process.cpuUsage(before);
  if (code === 'read') read++;
  const fault =
    code !== 'read' && !code.startsWith('ERR_HOROBALL_')
      ? code
      : user + system > 1e6
        ? `${(user + system) / 1e3} ms`
        : null;
  if (fault !== null) {
    const kept = join(folder, `fault-${files}.${reader}`);
    await writeFile(kept, bytes);
    process.stdout.write(`${JSON.stringify({ fault, kept })}\n`);
  }
}
const memory = peakMegabytes();
process.stdout.write(`${JSON.stringify({ files, read, memory })}\n`);
