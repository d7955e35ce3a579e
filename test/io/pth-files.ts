import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import ava from 'ava';
import { PickleDict, type PickleValue } from '../../lib/io/pickle.ts';
import { PthFile, PthTensor } from '../../lib/io/pth.ts';

export const fixture = (name: string): string => join('test/fixtures/pth', name);

let folder = '';
ava.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-pth-'));
});
ava.after.always(() => rm(folder, { recursive: true, force: true }));

let written = 0;
export async function onDisk(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${written++}.pth`);
  await writeFile(path, bytes);
  return path;
}

export function dict(value: PickleValue | undefined): PickleDict {
  if (value instanceof PickleDict) return value;
  throw new Error('expected a dictionary');
}

export function tensor(value: PickleValue | undefined): PthTensor {
  if (value instanceof PthTensor) return value;
  throw new Error('expected a tensor');
}

/** Reads every tensor of a `.pth` file that contains a flat state dict. */
export async function floats(
  path: string,
): Promise<Record<string, { shape: readonly number[]; data: number[] }>> {
  const file = await PthFile.open(path);
  try {
    const result: Record<string, { shape: readonly number[]; data: number[] }> = {};
    for (const [name, value] of dict(file.root)) {
      const { shape, data } = await file.read(tensor(value));
      result[String(name)] = { shape, data: Array.from(data, Number) };
    }
    return result;
  } finally {
    await file.close();
  }
}

export type Refusal = Error & { code: string };

/** Reads every tensor of a file and returns the error, if one is thrown. Throws if that takes more than a second. */
export async function refusal(path: string): Promise<Refusal | null> {
  const start = performance.now();
  const error = await readAll(path).then(
    () => null,
    (reason: Refusal) => reason,
  );
  const took = performance.now() - start;
  if (took > 1000) throw new Error(`the file took ${took} ms`);
  return error;
}

export async function readAll(path: string): Promise<void> {
  const file = await PthFile.open(path);
  const readValue = async (value: PickleValue): Promise<void> => {
    if (value instanceof PthTensor) await file.read(value);
    else if (Array.isArray(value) || value instanceof PickleDict)
      for (const inner of value.values()) await readValue(inner);
  };
  try {
    await readValue(file.root);
  } finally {
    await file.close();
  }
}

export async function refuses(
  t: { is(a: unknown, b: unknown): void; regex(a: string, b: RegExp): void },
  path: string,
  code: string,
  message: RegExp,
): Promise<void> {
  const error = await refusal(path);
  t.regex(error?.message ?? 'it was read', message);
  t.is(error?.code, code);
}

export const format = 'ERR_HOROBALL_FORMAT';
export const unsafe = 'ERR_HOROBALL_PICKLE_REFUSED';
