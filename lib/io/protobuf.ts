// Encoders of the wire format of Protocol Buffers. Each function encodes one field; a message is the
// concatenation of its fields. Fields with the default value may be written or omitted, with the same
// meaning.

/**
 * Encodes an int32, int64, bool or enum field.
 *
 * @param value - an integer from 0 to 2^53 - 1
 */
export function varintField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, 1), bytes]);
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, 5), bytes]);
}

/** Encodes a string or bytes field. */
export function bytesField(field: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
}

/** Encodes a field that contains a message, given the fields of that message. */
export function messageField(field: number, ...fields: Uint8Array[]): Buffer {
  return bytesField(field, Buffer.concat(fields));
}

/** Encodes a packed repeated double field. */
export function doublesField(field: number, values: ArrayLike<number>): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i] as number, 8 * i);
  return bytesField(field, bytes);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
