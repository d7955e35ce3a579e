import { bytesField, floatField, messageField, varintField } from '../io/protobuf.ts';
import { quantize, type Storage, toHalf } from './storage.ts';

/** The name of a value: an input, a constant or a node's output. */
export type Value = string;
type Attribute = number | readonly number[] | { float: number };

const elementTypes = { float32: 1, int8: 3, int64: 7, float16: 10 } as const;
/** The first operator set with LayerNormalization (2022). */
const opset = 17;
/** File format version of the first release with that operator set. */
const irVersion = 8;

/** Builds an ONNX file in the wire format; onnx.proto3 defines the field numbers. */
export class OnnxGraph {
  readonly #nodes: Uint8Array[] = [];
  readonly #constants: Uint8Array[] = [];
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  readonly #storage: Storage;
  #count = 0;

  /** @param storage - how {@link weights} are stored */
  constructor(storage: Storage = 'fp32') {
    this.#storage = storage;
  }

  /** Declares a float32 input. A name in `shape` denotes a dynamic size. */
  input(name: string, shape: readonly (number | string)[]): Value {
    this.#inputs.push(messageField(11, ...valueInfo(name, shape)));
    return name;
  }

  /** Declares a value as a named output. */
  output(name: string, value: Value, shape: readonly (number | string)[]): void {
    this.#nodes.push(node('Identity', [value], name, {}));
    this.#outputs.push(messageField(12, ...valueInfo(name, shape)));
  }

  /** Adds a float32 constant. Its shape is `[]` for one number. */
  floats(values: ArrayLike<number>, shape: readonly number[]): Value {
    return this.#constant('float32', Float32Array.from(values), shape);
  }

  /**
   * Adds a constant matrix or kernel, and returns it as float32. If it is stored in a smaller type, nodes cast it and
   * multiply int8 by the scale of the channel; runtimes evaluate them once, when they load the file.
   *
   * @param axis - the dimension of the output channels
   */
  weights(values: ArrayLike<number>, shape: readonly number[], axis: number): Value {
    if (this.#storage === 'fp32') return this.floats(values, shape);
    if (this.#storage === 'fp16') return this.#widened(this.#constant('float16', toHalf(values), shape));
    const channels = shape[axis]!;
    const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
    const { data, scales } = quantize(values, channels, (i) => Math.floor(i / stride) % channels);
    const broadcast = shape.map((size, i) => (i === axis ? size : 1));
    const codes = this.#widened(this.#constant('int8', data, shape));
    return this.node('Mul', [codes, this.floats(scales, broadcast)]);
  }

  #widened(value: Value): Value {
    return this.node('Cast', [value], { to: elementTypes.float32 });
  }

  integers(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    return this.#constant('int64', BigInt64Array.from(values, BigInt), shape);
  }

  /** Adds a node and returns its only output. */
  node(operator: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Value {
    const output = this.#name();
    this.#nodes.push(node(operator, inputs, output, attributes));
    return output;
  }

  /**
   * Returns the bytes of the file.
   *
   * @param metadata - entries by key, stored as text
   */
  build(name: string, metadata: Record<string, string>): Uint8Array {
    const graph = [
      ...this.#nodes,
      bytesField(2, name),
      ...this.#constants,
      ...this.#inputs,
      ...this.#outputs,
    ];
    const texts = Object.entries(metadata).map(([key, value]) =>
      messageField(14, bytesField(1, key), bytesField(2, value)),
    );
    return Buffer.concat([
      varintField(1, irVersion),
      bytesField(2, 'horoball'),
      messageField(7, ...graph),
      messageField(8, bytesField(1, ''), varintField(2, opset)),
      ...texts,
    ]);
  }

  #constant(type: keyof typeof elementTypes, data: ArrayBufferView, shape: readonly number[]): Value {
    const name = this.#name();
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dims = shape.map((size) => varintField(1, size));
    const fields = [...dims, varintField(2, elementTypes[type]), bytesField(8, name), bytesField(9, bytes)];
    this.#constants.push(messageField(5, ...fields));
    return name;
  }

  #name(): Value {
    return `v${this.#count++}`;
  }
}

function node(
  operator: string,
  inputs: readonly Value[],
  output: Value,
  attributes: Record<string, Attribute>,
): Uint8Array {
  const fields = [
    ...inputs.map((name) => bytesField(1, name)),
    bytesField(2, output),
    bytesField(4, operator),
  ];
  for (const [name, value] of Object.entries(attributes)) {
    fields.push(messageField(5, bytesField(1, name), ...attributeValue(value)));
  }
  return messageField(1, ...fields);
}

/** Returns the fields of an attribute that contain its value and, in field 20, its type. */
function attributeValue(value: Attribute): Uint8Array[] {
  if (typeof value === 'number') return [varintField(3, value), varintField(20, 2)];
  if ('float' in value) return [floatField(2, value.float), varintField(20, 1)];
  return [...value.map((each) => varintField(8, each)), varintField(20, 7)];
}

function valueInfo(name: string, shape: readonly (number | string)[]): Uint8Array[] {
  const dims = shape.map((size) =>
    messageField(1, typeof size === 'number' ? varintField(1, size) : bytesField(2, size)),
  );
  const tensor = messageField(1, varintField(1, elementTypes.float32), messageField(2, ...dims));
  return [bytesField(1, name), messageField(2, tensor)];
}
