// Valid arguments for every export of the package; wrong-arguments-child.ts replaces one at a time.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEmbedder } from '../lib/embed/index.ts';
import { EventWriter, writeNpy } from '../lib/io/index.ts';
import { cacheFolder } from '../lib/setup/paths.ts';
import * as lib from '../lib/train/index.ts';
import { writeRun } from './embed/network.ts';
import { embed, randomImages, tinyBatch, tinyEmbedder, tinyLoss, tinyViT } from './train/helpers.ts';
import { classNames, tinyRun, writeImages } from './train/tiny-data.ts';
import { arrayExamples, type Make } from './wrong-arguments-arrays.ts';

/** Files that the examples read, below a temporary folder. */
interface Files {
  folder: string;
  images: string;
  /** A finished run. */
  run: string;
  /** A run that `loadEmbedder` reads. */
  served: string;
}

async function makeFiles(): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-wrong-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.chdir(folder); // the base of relative paths among the wrong values
  Object.assign(process.env, { XDG_CACHE_HOME: folder, PATH: folder }); // no npm
  const [images, served, runs] = [join(folder, 'images'), join(folder, 'served'), join(folder, 'runs')];
  await writeImages(images, classNames(32), 2);
  await writeRun(served);
  await mkdir(join(folder, 'empty'));
  await writePulled();
  await writeNpy(join(folder, 'points.npy'), new Float32Array(4));
  const { folder: run } = await lib.train({ ...optionsOf(images), runs, name: 'run' });
  return { folder, images, run: run!, served };
}

const pulled = 'http://127.0.0.1:9/x.pth';

/** Writes weights to the cache, as if they had been downloaded. */
async function writePulled(): Promise<void> {
  const place = join(cacheFolder(), 'weights', '127.0.0.1_9');
  await mkdir(place, { recursive: true });
  const bytes = Buffer.from('weights');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(place, 'x.pth'), bytes);
  const record = { url: pulled, bytes: bytes.length, sha256, checked: 'first' };
  await writeFile(join(place, 'x.pth.json'), JSON.stringify(record));
}

const optionsOf = (path: string) => ({
  ...tinyRun,
  path,
  ep: 1,
  eval_ep: '[]',
  runs: null,
  threads: 1,
  weights: null,
});

/** Returns a function that creates an instance once, and again after a call has disposed of it. */
function kept<T extends object>(make: () => Promise<T> | T): () => Promise<T> {
  let made: T | undefined;
  return async () => {
    if (made === undefined || (made as { disposed?: boolean }).disposed === true) made = await make();
    return made;
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const labels = () => Int32Array.of(0, 0, 1, 1);

/** Returns functions that create the valid arguments of each callable or, for `Class#`, the object whose methods are called. */
export async function makeExamples(): Promise<Record<string, Make>> {
  const { folder, images, run, served } = await makeFiles();
  const dataset = await lib.imageFolder(images);
  const { test } = dataset;
  const config = lib.parseConfig(optionsOf(images));
  const embedder = kept(() => tinyEmbedder());
  const proxies = kept(async () => new lib.Proxies(await embedder(), { labels: labels() }));
  const vit = kept(() => lib.createViT(tinyViT));
  const learner = kept(() => lib.Learner.create(config));
  const optimizer = kept(async () => new lib.AdamW(await embedder(), { lr: 1e-3 }));
  const ema = kept(async () => new lib.Ema(await embedder()));
  const batch = kept(() => tinyBatch(4));
  const embeddings = kept(async () => embed(await embedder(), 4));
  const objective = async () => tinyLoss().apply(await embeddings());
  const learned = async () => (await learner()).embed(samples());
  const learnedLoss = async () => (await learner()).loss.apply(await learned());
  const cross = () => new lib.CrossBatchMemory({ classes: 3, views: 2, dim: 6 });
  const scalars = () => new lib.LearnableScalars(scalarOptions());
  const scalarOptions = () =>
    ({ names: ['t_e'], initial: { t_e: 0.1, t_h: 0.1, hyp_c: 0.1 }, range: 10 }) as const;
  const gradients = () => ({ t_e: 0.1, t_h: 0.1, hyp_c: 0.1 });
  const loaderOptions = () => ({ size: 16, mode: 'eval', seed: 1 }) as const;
  const loader = () => new lib.ImageLoader(test, loaderOptions());
  const samples = () => ({
    ...{ images: randomImages(4, 1, 16), count: 4, size: 16, labels: labels() },
  });
  const sampler = () => new lib.ClassBalancedSampler(labels(), { samplesPerClass: 2, batchSize: 4, seed: 1 });
  const place = async () => ({
    ...{ rank: 0, size: 1, localRank: 0, localSize: 1 },
    ...{ host: '127.0.0.1', port: await freePort(), launched: false, restarts: 0 },
  });
  const patience = { joinSeconds: 1, timeout: 2, patience: 2 };
  const group = kept(async () => lib.ProcessGroup.join(await place(), patience));
  const checkpoint = () => lib.Checkpoint.read(run);
  const events = kept(() => EventWriter.open(folder));
  const served_ = kept(() => loadEmbedder(served, { threads: 1, warmUp: false }));
  const image = join(images, 'class-00', '0.jpg');
  const jpeg = await readFile(image);
  const tensors = () => ({ a: { shape: [2], data: new Float32Array(2) } });
  const embedded = async () => lib.embed(await embedder(), test, loader());
  const position = () => ({
    step: 1,
    seconds: 1,
    metricsBytes: 0,
    best: null,
    baselines: [],
    complete: false,
  });
  const finish = () => ({ lr: 1e-3, factor: 1, wantPoints: true });
  const state = async (of: () => Promise<{ state(): unknown }>) => (await of()).state();
  const wait = {};
  return {
    ...arrayExamples(folder),
    // horoball/io
    'EventWriter.open': () => [folder, { purgeStep: 0 }],
    'EventWriter#': events,
    'EventWriter#scalar': () => ['tag', 1, 1, { wallTime: 1 }],
    'EventWriter#histogram': () => ['tag', [1, 2], 1, { buckets: 3, wallTime: 1 }],
    'EventWriter#image': () => ['tag', jpeg, 1, {}],
    'EventWriter#text': () => ['tag', 'text', 1, {}],
    'EventWriter#hparams': () => [{ lr: 1 }, { group: 'a', wallTime: 1 }],
    'EventWriter#endSession': () => ['success', { wallTime: 1 }],
    'EventWriter#flush': () => [],
    readMat: () => [join(folder, 'points.mat'), { maxBytes: 2 ** 20 }],
    readNpy: () => [join(folder, 'points.npy')],
    readSafetensors: () => [join(run, 'model.safetensors'), { names: [] }],
    writeNpy: () => [join(folder, 'written.npy'), new Float32Array(2), [2]],
    writeSafetensors: () => [
      join(folder, 'written.safetensors'),
      tensors(),
      { metadata: { a: 'b' }, checksums: true },
    ],
    // horoball/embed
    loadEmbedder: () => [served, { threads: 1, warmUp: false, batchSize: 1, concurrency: 1 }],
    'ImageEmbedder#': served_,
    'ImageEmbedder#embed': () => [
      [image],
      { space: 'both', batchSize: 1, onProgress: () => {}, onUnreadable: () => {} },
    ],
    'ImageEmbedder#warmUp': () => [],
    // horoball/train
    Proxies: async () => [await embedder(), { labels: labels(), seed: 1 }],
    'Proxies#': proxies,
    'Proxies#rowsOf': () => [labels()],
    'Proxies#state': () => [{}],
    'Proxies#loadState': async () => [await (await proxies()).state(), {}],
    AdamW: async () => [
      await embedder(),
      { lr: 1e-3, weightDecay: 0, betas: [0.9, 0.99], eps: 1e-8, groups: () => ({}) },
    ],
    'AdamW#': optimizer,
    'AdamW#clipGradNorm': () => [1],
    'AdamW#step': () => [{ lr: 1e-3 }],
    'AdamW#zeroGrad': () => [],
    'AdamW#gradNorm': () => [wait],
    'AdamW#state': () => [wait],
    'AdamW#loadState': async () => [await state(optimizer), wait],
    'Batch.from': () => [randomImages(4), { count: 4, size: 16 }, tinyViT.mean, tinyViT.std, 'cpu'],
    'Batch.fromNormalized': () => [new Float32Array(4 * 768), { count: 4, size: 16 }, 'cpu'],
    'Batch.fromNormalised': () => [new Float32Array(4 * 768), { count: 4, size: 16 }, 'cpu'],
    'Batch#': batch,
    CachedEmbeddings: async () => [await embedder(), samples(), 2],
    'CachedEmbeddings#': async () => new lib.CachedEmbeddings(await embedder(), samples(), 2),
    'CachedEmbeddings#backward': () => [() => {}],
    'Checkpoint.capture': async () => [await learner(), config, position()],
    'Checkpoint.read': () => [run],
    'Checkpoint.position': () => [run],
    'Checkpoint#': checkpoint,
    'Checkpoint#write': () => [join(folder, 'checkpoint.safetensors')],
    'Checkpoint#restore': async () => [await learner()],
    'Checkpoint#changedMachine': () => [config, 1],
    ClassBalancedSampler: () => [labels(), { samplesPerClass: 2, batchSize: 4, seed: 1 }],
    'ClassBalancedSampler#': sampler,
    'ClassBalancedSampler#epoch': () => [1],
    CrossBatchMemory: () => [{ classes: 3, views: 2, dim: 6 }],
    'CrossBatchMemory#': cross,
    'CrossBatchMemory#extend': async () => [await embeddings(), labels()],
    'CrossBatchMemory#remember': () => [new Float32Array(24), new Float32Array(24), labels()],
    'CrossBatchMemory#state': () => [],
    'CrossBatchMemory#loadState': () => [cross().state()],
    Ema: async () => [await embedder()],
    'Ema#': ema,
    'Ema#update': () => [0.9],
    'Ema#swap': () => [],
    'Ema#state': () => [wait],
    'Ema#loadState': async () => [await state(ema), wait],
    'Embedder.create': () => [
      { model: tinyViT, head: 'hypmix', dim: 6, clipR: 2.3, c: 0.1, seed: 5, ...embedderOptions },
    ],
    'Embedder.load': () => [run, { device: 'cpu' }],
    'Embedder#': embedder,
    'Embedder#setCurvature': () => [0.1, { learnable: false }],
    'Embedder#curvatureGradient': () => [wait],
    'Embedder#firstNotFinite': async () => [await batch()],
    'Embedder#parameters': () => [],
    'Embedder#forward': async () => [await batch(), { train: true, purpose: 'training' }],
    'Embedder#state': () => [wait],
    'Embedder#gradients': () => [wait],
    'Embedder#loadState': async () => [await state(embedder), wait],
    GradScaler: () => [{ scale: 2, growth: 2, backoff: 0.5, interval: 10 }],
    'GradScaler#': () => new lib.GradScaler(),
    'GradScaler#backward': async () => [await objective(), 1],
    'GradScaler#unscale': async () => [await optimizer()],
    'GradScaler#step': async () => [await optimizer(), { lr: 1e-3 }],
    'GradScaler#update': () => [],
    'GradScaler#state': () => [wait],
    'GradScaler#loadState': () => [{ scale: 2, goodSteps: 0, skipped: 0 }],
    GradientSum: async () => [await embedder(), await group()],
    'GradientSum#': async () => new lib.GradientSum(await embedder(), await group()),
    'GradientSum#arm': () => [],
    'GradientSum#finish': () => [],
    HybridLoss: () => [
      {
        geometry: 'hybrid',
        tied: true,
        views: 2,
        tauE: 0.1,
        tauH: 0.2,
        lambda: 1,
        c: 0.1,
        clipR: 2.3,
        ...lossOptions,
      },
    ],
    'HybridLoss#': () => tinyLoss(),
    'HybridLoss#apply': async () => [
      await embeddings(),
      labels(),
      { tauE: 0.1, tauH: 0.1, c: 0.1, gradParams: true },
    ],
    ImageLoader: () => [
      test,
      {
        ...loaderOptions(),
        resize: 18,
        cropScale: [0.2, 1],
        ratio: [0.75, 1.3],
        concurrency: 1,
        strict: false,
        cache: 'memory',
        background: 'white',
        maxPixels: 1000,
      },
    ],
    'ImageLoader#': loader,
    'ImageLoader#batches': () => [[Int32Array.of(0, 1)], { epoch: 0, first: 0 }],
    LearnableScalars: () => [scalarOptions()],
    'LearnableScalars#': scalars,
    'LearnableScalars#has': () => ['t_e'],
    'LearnableScalars#value': () => ['t_e'],
    'LearnableScalars#update': () => [gradients(), 0.1],
    'LearnableScalars#state': () => [],
    'LearnableScalars#loadState': () => [scalars().state()],
    'Learner.create': () => [{ ...config }, () => {}, null],
    'Learner#': learner,
    'Learner#embed': () => [samples(), null],
    'Learner#batch': () => [samples(), 0, 4],
    'Learner#gather': async () => [await learned(), samples()],
    'Learner#compared': async () => [await learned(), labels()],
    'Learner#addTree': async () => [await learnedLoss(), await learned(), labels()],
    'Learner#scalars': () => [],
    'Learner#backward': async () => [await learnedLoss(), await learned(), 1],
    'Learner#update': () => [1e-3, 1],
    'Learner#finish': async () => [await learnedLoss(), await learned(), labels(), finish()],
    'Learner#firstNotFinite': () => [samples()],
    'Learner#checkTrained': () => ['train'],
    'Learner#explain': () => [new Error('wrong'), 1, samples()],
    'Learner#averaged': () => [async () => 1],
    'Learner#follow': () => [{ scale: 2, goodSteps: 0, skipped: 0 }],
    'ProcessGroup.join': async () => [await place(), { ...patience }],
    'ProcessGroup#': group,
    'ProcessGroup#sum': () => [new Float64Array(2)],
    'ProcessGroup#gatherRows': async () => [(await embeddings()).euclidean, [4]],
    'ProcessGroup#gatherValues': () => [new Float32Array(2)],
    'ProcessGroup#share': () => ['text'],
    'ProcessGroup#broadcast': async () => [await embedder()],
    'ProcessGroup#gradientSum': async () => [await embedder()],
    'ProcessGroup#at': () => ['text'],
    'ProcessGroup#fail': () => ['text'],
    'ViT#': vit,
    'ViT#parameters': () => [],
    'ViT#forward': async () => [await batch(), { train: true, purpose: 'training' }],
    'ViT#state': () => [wait],
    'ViT#gradients': () => [wait],
    'ViT#loadState': async () => [await state(vit), wait],
    checkDataset: () => [dataset, { decode: true, maxPixels: 1000, onProgress: () => {} }],
    createViT: () => [tinyViT, { seed: 0, ...embedderOptions }],
    embed: async () => [await embedder(), test, loader(), { batchSize: 16, onProgress: () => {} }],
    emaDecay: () => [0.9, 1],
    evaluate: async () => [
      await embedder(),
      test,
      loader(),
      { ks: [1], batchSize: 16, compat: 'none', device: 'cpu' },
    ],
    exportOnnx: () => [join(run, 'model.safetensors'), join(folder, 'a.onnx'), { storage: 'fp32' }],
    findWeights: () => [join(run, 'model.safetensors'), folder],
    groupsOf: () => [{ weightDecay: 0.1, decayed: 'all', layerDecay: 0.5, depth: 2 }],
    imageFolder: () => [images],
    learningRate: () => [{ lr: 1e-3, schedule: 'cosine', warmup: 2 }, 1, 10],
    loadWeights: async () => [join(run, 'model.safetensors'), await embedder(), { partial: true }],
    makeEmoji: () => [join(folder, 'emoji'), { size: 16, seed: 1, from: join(folder, 'empty'), all: false }],
    makeShapes: () => [
      join(folder, 'shapes'),
      { seed: 1, classes: 32, images: 1, size: 16, onProgress: () => {} },
    ],
    manualSeed: () => [1],
    measure: async () => [
      await embedded(),
      test,
      0.1,
      { ks: [1], compat: 'none', fusion: { tied: true, tauE: 1, tauH: 1, lambda: 1 }, onQueries: () => {} },
    ],
    memory: () => [],
    openDataset: () => ['folder', images],
    parseConfig: () => [{ ...config }, 'train'],
    placeOf: () => [{ WORLD_SIZE: '1', RANK: '0' }],
    pullWeights: () => [
      pulled,
      { cache: join(cacheFolder(), 'weights'), attempts: 1, pause: 1, patience: 100, force: false },
    ],
    randomState: () => ['cpu'],
    readRun: () => [run],
    saveWeights: async () => [join(folder, 'saved.safetensors'), await embedder()],
    setRandomState: async () => [await lib.randomState(), 'cpu'],
    setThreads: () => [1],
    torchAvailable: () => [],
    torchInfo: () => [],
    train: () => [optionsOf(images), { signal: AbortSignal.abort(), onStep: () => {}, resume: null }],
    writeReport: () => [run],
    dispose: () => [],
    close: () => [],
  };
}

const embedderOptions = {
  device: 'cpu',
  freezePatchEmbed: false,
  freezeBlocks: 0,
  precision: 'float32',
} as const;
const lossOptions = { loss: 'views', reduction: 'sum', compat: null, beta: 0 } as const;
