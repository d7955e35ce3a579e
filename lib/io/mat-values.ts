import type { TensorData } from './elements.ts';

/** An array of a MAT file. Elements are in column-major order, as MATLAB stores them. */
export type MatValue = MatNumbers | MatText | MatCell | MatStruct | MatUnsupported;

export interface MatNumbers {
  readonly kind: 'numbers';
  /** MATLAB's class: `double`, `uint8`, ... */
  readonly class: string;
  /** Whether the values are MATLAB logicals, stored as 0 and 1. */
  readonly logical: boolean;
  readonly shape: readonly number[];
  readonly real: TensorData;
  readonly imaginary?: TensorData;
}

export interface MatText {
  readonly kind: 'text';
  readonly shape: readonly number[];
  /** One string per row; MATLAB pads them to equal length. */
  readonly rows: readonly string[];
}

export interface MatCell {
  readonly kind: 'cell';
  readonly shape: readonly number[];
  readonly cells: readonly MatValue[];
}

export interface MatStruct {
  readonly kind: 'struct';
  readonly shape: readonly number[];
  readonly fields: readonly string[];
  readonly elements: readonly ReadonlyMap<string, MatValue>[];
}

/** An array of an unsupported class, in a file that also contains supported ones. */
export interface MatUnsupported {
  readonly kind: 'unsupported';
  /** MATLAB's class: `sparse`, `object`, `function` or `opaque`. */
  readonly class: string;
}
