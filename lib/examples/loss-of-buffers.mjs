// Computes the loss and its gradients on buffers of another framework: here onnxruntime tensors, whose data is a typed
// array. For tfjs, use `await tensor.data()` and `tf.tensor(gradient.data, [rows, cols])`.
//   npm install onnxruntime-node && node lib/examples/loss-of-buffers.mjs
import { hybridContrastiveLoss, matrix } from 'horoball';

process.on('uncaughtException', ({ message }) => {
  console.error(message); // one sentence, without a stack
  process.exit(1);
});
const { Tensor } = await import('onnxruntime-node').catch(() => {
  throw new Error('this example needs onnxruntime-node: npm install onnxruntime-node');
});

const [classes, views, dim] = [8, 4, 16];
const rows = classes * views;

// Rows like the output of a network: unit norm, and near each other within a class.
let seed = 5;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
const centers = Array.from({ length: classes * dim }, random);
let output = new Tensor('float32', new Float32Array(rows * dim), [rows, dim]);
output.data.forEach((_, i) => {
  output.data[i] = centers[Math.floor(i / dim / views) * dim + (i % dim)] + random();
});

const unit = (data) => {
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * dim, (i + 1) * dim);
    const norm = Math.hypot(...row);
    row.forEach((x, j) => (row[j] = x / norm));
  }
};
unit(output.data);

// Nothing is copied: the matrix is a view of the tensor's memory, and the gradient tensor uses the gradient's memory.
let first;
for (let step = 0; step < 20; step++) {
  const euclidean = matrix(output.data, rows, dim);
  const { loss, gradEuclidean, stats } = await hybridContrastiveLoss({
    ...{ euclidean, tied: true, views, tauE: 0.2, tauH: 0.2, lambda: 1, c: 0.1, reduction: 'mean' },
  });
  first ??= loss;
  const gradient = new Tensor('float32', gradEuclidean.data, [rows, dim]);
  if (step % 5 === 0) console.log(`loss ${loss.toFixed(3)}  accuracy ${stats.accuracy.toFixed(2)}  ${gradient.dims}`);
  const moved = output.data.map((x, i) => x - 0.2 * gradient.data[i]);
  unit(moved);
  output = new Tensor('float32', moved, output.dims);
}
