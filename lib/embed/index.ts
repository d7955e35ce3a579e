/// <reference lib="esnext.disposable" preserve="true" />
// Embeddings of images by a trained network, without libtorch. Never imports ../train.
export { ImageEmbedder, loadEmbedder } from './embedder.ts';
export type {
  EmbeddedIn,
  EmbedOptions,
  ImageEmbeddings,
  ImageInput,
  LoadEmbedderOptions,
  RawImage,
  Runtime,
  SharpPipeline,
  Space,
} from './types.ts';
