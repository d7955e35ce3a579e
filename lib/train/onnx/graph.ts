import { bytesField, floatField, messageField, varintField } from '../../io/protobuf.ts';

/** The name of a value: an input, a constant or a node's output. */
export type Value = string;
type Attribute = number | readonly number[] | { float: number };

const elementTypes = { float32: 1, int64: 7 } as const;
/** Of the operators; LayerNormalization came with it, and every runtime since 2022 has it. */
const opset = 17;
/** Of the file format, as that opset's first release had it. */
const irVersion = 8;

/** Builds an ONNX file, operator by operator, straight into the wire format (onnx.proto3 has the numbers of the fields). */
export class OnnxGraph {
  readonly #nodes: Uint8Array[] = [];
  readonly #constants: Uint8Array[] = [];
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  #count = 0;

  /** @param shape - a name stands for a size that may vary */
  input(name: string, shape: readonly (number | string)[]): Value {
    this.#inputs.push(messageField(11, ...valueInfo(name, shape)));
    return name;
  }

  /** Makes a value an output under a name of its own. */
  output(name: string, value: Value, shape: readonly (number | string)[]): void {
    this.#nodes.push(node('Identity', [value], name, {}));
    this.#outputs.push(messageField(12, ...valueInfo(name, shape)));
  }

  /** @param shape - `[]` for one number */
  floats(values: ArrayLike<number>, shape: readonly number[]): Value {
    const data = Float32Array.from(values);
    return this.#constant('float32', new Uint8Array(data.buffer), shape);
  }

  integers(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    const data = BigInt64Array.from(values, BigInt);
    return this.#constant('int64', new Uint8Array(data.buffer), shape);
  }

  /** A node with one output. */
  node(operator: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Value {
    const output = this.#name();
    this.#nodes.push(node(operator, inputs, output, attributes));
    return output;
  }

  /** The file. @param metadata - kept in it as text */
  build(name: string, metadata: Record<string, string>): Buffer {
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

  #constant(type: keyof typeof elementTypes, bytes: Uint8Array, shape: readonly number[]): Value {
    const name = this.#name();
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

/** The value's field and, as field 20, which kind it is. */
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
