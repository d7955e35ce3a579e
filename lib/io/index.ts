/// <reference lib="esnext.disposable" preserve="true" />
// File formats. Readers check everything that a file claims before they act on it.
export type { Dtype, TensorData } from './elements.ts';
export { type EventOptions, EventWriter, type EventWriterOptions, type HyperParameter } from './events.ts';
export { type ReadMatOptions, readMat } from './mat.ts';
export type {
  MatCell,
  MatNumbers,
  MatStruct,
  MatText,
  MatUnsupported,
  MatValue,
} from './mat-values.ts';
export { type NpyArray, readNpy, writeNpy } from './npy.ts';
export {
  readSafetensors,
  type SafeTensor,
  type Safetensors,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.ts';
