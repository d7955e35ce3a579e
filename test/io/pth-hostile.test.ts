import { readFile } from 'node:fs/promises';
import ava from 'ava';
import fc from 'fast-check';
import { archive, bytesOf, u32 } from './pickle-writer.ts';
import { fixture, floats, format, onDisk, readAll, refusal, refuses, unsafe } from './pth-files.ts';

// Serial, because each rejection must take at most one second, and concurrent tests would slow it down.
const test = ava.serial;

const repeat = (part: string, count: number): string => part.repeat(count);

/** Pickles a call of `_rebuild_tensor_v2` on the float32 storage '0', with every number as a 4-byte integer. */
const rebuild = (elements: number, offset: number, shape: number[], strides: number[]): Uint8Array =>
  bytesOf(
    'ctorch._utils\n_rebuild_tensor_v2\n((',
    'X\x07\0\0\0storage',
    'ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ',
    u32(elements),
    'tQJ',
    u32(offset),
    '(',
    ...shape.flatMap((side) => ['J', u32(side)]),
    't(',
    ...strides.flatMap((stride) => ['J', u32(stride)]),
    't\x89NtR',
  );
const inDict = (value: Uint8Array): Uint8Array => bytesOf('}X\x01\0\0\0w', value, 's.');
const four = { 'x/data/0': new Uint8Array(16) };

test('reads a valid pickle built from the same parts', async (t) => {
  const path = await onDisk(archive(inDict(rebuild(4, 1, [3], [1])), four));
  t.deepEqual(await floats(path), { w: { shape: [3], data: [0, 0, 0] } });
});

const hostile: Record<string, [Uint8Array, string, RegExp]> = {
  'nesting half a million deep': [
    bytesOf(repeat(']', 500_000), repeat('a', 499_999), '.'),
    unsafe,
    /stack of over 65536/,
  ],
  'nesting a hundred deep': [
    bytesOf(repeat(']', 101), repeat('a', 100), '.'),
    unsafe,
    /more than 100 levels deep/,
  ],
  'a million open marks': [bytesOf(repeat('(', 1_000_000), '.'), unsafe, /open marks/],
  'a list that contains itself': [bytesOf(']q\0h\0a.'), unsafe, /contains itself/],
  'shared lists that unfold exponentially': [
    bytesOf(']q\0', repeat(']q\x01(h\0h\0eq\0', 60), '.'),
    unsafe,
    /expands to more than/,
  ],
  'more steps than any checkpoint': [
    bytesOf(repeat('}0', 1_000_000), '.'),
    unsafe,
    /more than 524288 steps is not/,
  ],
  'an integer of 4 GiB': [bytesOf(0x8b, u32(0xffffffff), '.'), format, /4294967295 more bytes are declared/],
  'an integer of a megabyte': [
    bytesOf(0x8b, u32(2 ** 20), new Uint8Array(2 ** 20), '.'),
    unsafe,
    /integer of 1048576 bytes is not supported \(the limit is 1024\)/,
  ],
  'text of 2^60 bytes': [bytesOf(0x8d, [0, 0, 0, 0, 0, 0, 0, 0x10], '.'), format, /are declared/],
  'a memo at 2^32 - 1 that was never written': [bytesOf('j', u32(0xffffffff), '.'), format, /never written/],
  'an old integer operation': [
    bytesOf('I1\n.'),
    unsafe,
    /operation 0x49 is not supported\. In PyTorch, save only model\.state_dict\(\)\.$/,
  ],
  'protocol 6': [bytesOf(0x80, 6, '}.'), unsafe, /protocol 6 is not supported \(2 to 5 are\)/],
  'an extension': [bytesOf(0x82, 1, '.'), unsafe, /operation 0x82/],
  'an instance operation': [bytesOf('(ios\nsystem\n.'), unsafe, /operation 0x69/],
  'an eval by STACK_GLOBAL': [
    bytesOf('X\x08\0\0\0builtinsX\x04\0\0\0eval', 0x93, '.'),
    unsafe,
    /'builtins\.eval'/,
  ],
  'an attribute of a tensor': [
    inDict(bytesOf(rebuild(4, 0, [4], [1]), '}b')),
    unsafe,
    /attributes of an object/,
  ],
  'a call of text': [bytesOf('X\x01\0\0\0a)R.'), format, /not a class/],
  'a storage that is called': [bytesOf('ctorch\nFloatStorage\n)R.'), format, /storage class is called/],
  'an unknown storage class': [
    inDict(bytesOf('(X\x07\0\0\0storageccollections\nOrderedDict\nX\x01\0\0\x000NK\x01tQ')),
    unsafe,
    /storage of class 'collections\.OrderedDict'/,
  ],
  'a tensor beyond its storage': [inDict(rebuild(4, 0, [5], [1])), format, /beyond its storage '0'/],
  'an offset beyond its storage': [inDict(rebuild(4, 2, [3], [1])), format, /beyond its storage/],
  'a stride beyond its storage': [inDict(rebuild(4, 0, [2, 2], [4, 1])), format, /beyond its storage/],
  'a negative stride': [inDict(rebuild(4, 3, [2], [-1])), format, /strides is not a short tuple/],
  'a storage longer than its entry': [inDict(rebuild(5, 0, [5], [1])), format, /missing or too short/],
  'a shape of 2^62 by strides of 0': [
    inDict(rebuild(4, 0, [2 ** 31 - 1, 2 ** 31 - 1], [0, 0])),
    unsafe,
    /expand to over 16 times the file size/,
  ],
  'a shape whose product overflows': [
    inDict(rebuild(4, 0, new Array(60).fill(2 ** 31 - 1), new Array(60).fill(0))),
    unsafe,
    /expand to over 16 times the file size/,
  ],
  'no stop': [bytesOf('}'), format, /declared/],
  'an empty stack': [bytesOf('.'), format, /stack is empty/],
  'a pop below a mark': [bytesOf('}(0.'), format, /stack is empty/],
};
for (const [name, [pickle, code, message]] of Object.entries(hostile))
  test(`rejects a hostile pickle: ${name}`, async (t) =>
    refuses(t, await onDisk(archive(pickle, four)), code, message));

/** Returns the offset of an entry's record in the central directory of a zip file. */
const directoryEntry = (zip: Buffer, name: string): number =>
  zip.lastIndexOf(name, zip.length, 'latin1') - 46;

const hostileZips: Record<string, [(zip: Buffer) => Uint8Array, RegExp]> = {
  'entries that overlap': [
    (zip) => {
      const first = zip.readUInt32LE(directoryEntry(zip, 'x/data.pkl') + 42);
      zip.writeUInt32LE(first, directoryEntry(zip, 'x/data/0') + 42);
      return zip;
    },
    /overlaps the next entry/,
  ],
  'an entry longer than the file': [
    (zip) => {
      for (const at of [20, 24]) zip.writeUInt32LE(2 ** 31, directoryEntry(zip, 'x/data/0') + at);
      return zip;
    },
    /overlaps the next entry/,
  ],
  'a directory at 2^60': [
    (zip) => {
      const end = zip.subarray(zip.length - 22);
      const locator = Buffer.alloc(20);
      locator.writeUInt32LE(0x07064b50, 0);
      locator.writeBigUInt64LE(2n ** 60n, 8);
      return Buffer.concat([zip.subarray(0, zip.length - 22), locator, end]);
    },
    /points past the end of the file/,
  ],
  '2^62 entries': [
    (zip) => {
      const record = Buffer.alloc(56);
      record.writeUInt32LE(0x06064b50, 0);
      record.writeBigUInt64LE(2n ** 62n, 32);
      const locator = Buffer.alloc(20);
      locator.writeUInt32LE(0x07064b50, 0);
      locator.writeBigUInt64LE(BigInt(zip.length - 22), 8);
      return Buffer.concat([
        zip.subarray(0, zip.length - 22),
        record,
        locator,
        zip.subarray(zip.length - 22),
      ]);
    },
    /more than .* entries/,
  ],
  'a compressed entry': [
    (zip) => {
      zip.writeUInt16LE(8, directoryEntry(zip, 'x/data/0') + 10);
      return zip;
    },
    /'x\/data\/0' is compressed/,
  ],
  'a name with ..': [
    (zip) => {
      zip.write('../ata/0', directoryEntry(zip, 'x/data/0') + 46, 'latin1');
      return zip;
    },
    /invalid relative path/,
  ],
  'the same name twice': [
    (zip) => {
      zip.write('x/data.pkl', directoryEntry(zip, 'x/version1') + 46, 'latin1');
      return zip;
    },
    /occurs twice/,
  ],
};
for (const [name, [spoil, message]] of Object.entries(hostileZips))
  test(`rejects a hostile archive: ${name}`, async (t) => {
    const zip = Buffer.from(
      archive(inDict(rebuild(4, 0, [4], [1])), { ...four, 'x/version1': new Uint8Array(1) }),
    );
    await refuses(t, await onDisk(spoil(zip)), format, message);
  });

test('reads ten thousand entries, and rejects more in under a second', async (t) => {
  const many = (count: number): Uint8Array => {
    const entries = Array.from({ length: count }, (_, i) => [`x/data/${i}`, new Uint8Array(0)] as const);
    return archive(bytesOf('}.'), Object.fromEntries(entries));
  };
  await t.notThrowsAsync(readAll(await onDisk(many(9_998))));
  await refuses(t, await onDisk(many(9_999)), format, /more than 10000 entries/);
});

test('rejects a big-endian file', async (t) => {
  const zip = archive(bytesOf('}.'), { 'x/byteorder': bytesOf('big') });
  await refuses(t, await onDisk(zip), format, /big-endian/);
});

test('a modified file is read or rejected with a code, and never crashes', async (t) => {
  const whole = await readFile(fixture('wrapped.pth'));
  const pickled = Buffer.from(whole.subarray(whole.indexOf('\x80\x02', 0, 'latin1')));
  const pickle = pickled.subarray(2, pickled.indexOf('PK', 0, 'latin1'));
  const storage = Object.fromEntries([0, 1, 2, 3, 4].map((key) => [`x/data/${key}`, new Uint8Array(64)]));
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  const survives = async (bytes: Uint8Array): Promise<void> => {
    const error = await refusal(await onDisk(bytes));
    if (error !== null && !String(error.code).startsWith('ERR_HOROBALL_')) throw error;
  };
  const change = (bytes: Uint8Array, list: [number, number][]): Uint8Array => {
    const changed = Buffer.from(bytes);
    for (const [at, value] of list) changed[at % changed.length] = value;
    return changed;
  };
  await fc.assert(
    fc.asyncProperty(changes, (list) => survives(change(whole, list))),
    { numRuns: 300 },
  );
  // The checksums are removed, so that every mutation reaches the unpickler.
  t.is(await refusal(await onDisk(archive(pickle, storage))), null);
  await fc.assert(
    fc.asyncProperty(changes, (list) => survives(archive(change(pickle, list), storage))),
    {
      numRuns: 700,
    },
  );
  t.pass();
});
