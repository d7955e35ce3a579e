// Readers of files in foreign formats, by file extension; `weights` loads a weight file of any format.
import { readMat, readNpy, readSafetensors } from '../../lib/io/index.ts';
import { PickleDict, type PickleValue } from '../../lib/io/pickle.ts';
import { PthFile, PthTensor } from '../../lib/io/pth.ts';
import { readOnnxMetadata } from '../../lib/onnx/metadata.ts';
import { openDataset } from '../../lib/train/data/registry.ts';
import { loadWeights } from '../../lib/train/weights/load.ts';

export const readers: Record<string, (path: string) => Promise<unknown>> = {
  npy: (path) => readNpy(path),
  mat: (path) => readMat(path),
  safetensors: (path) => readSafetensors(path),
  onnx: readOnnxMetadata,
  csv: (path) => openDataset('csv', path),
  pth: readPth,
  weights: (path) =>
    loadWeights(path, {
      config: { model: { imgSize: 4, patchSize: 2, distilled: false } },
      parameters: () => [{ name: 'weight', shape: [2, 3] }],
      loadState: async () => ({ missing: [], unexpected: [] }),
    }),
};

async function readPth(path: string): Promise<void> {
  await using file = await PthFile.open(path);
  const seen = new Set<PickleValue>();
  const visit = async (value: PickleValue): Promise<void> => {
    if (value === null || typeof value !== 'object' || seen.has(value)) return;
    seen.add(value);
    if (value instanceof PthTensor) await file.read(value);
    else if (Array.isArray(value) || value instanceof PickleDict)
      for (const inner of value.values()) await visit(inner);
  };
  await visit(file.root);
}
