// Errors of missing, full and unsupported devices have codes, and the process survives.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { matrix, metricCard, pairwiseDistance } from '../../lib/index.ts';
import { searchDevice } from '../../lib/train/lane/native.ts';
import { failure } from '../support.ts';
import { gpu, isEmulated, logDevice, missing } from './device.ts';

logDevice();

const points = matrix(new Float32Array([0, 0, 0.5, 0, 0, 0.9]), 3, 2);

test("device 'auto' selects an available device", async (t) => {
  const got = await pairwiseDistance(points, undefined, { c: 1, device: 'auto' });
  const want = await pairwiseDistance(points, undefined, { c: 1 });
  const limit = metricCard('poincare').tolerance.device.value.float32;
  got.data.forEach((d, i) => {
    t.true(Math.abs(d - want.data[i]!) <= limit * want.data[i]!);
  });
});

test('a missing device causes a coded error with the reason, and the next call works', async (t) => {
  const device = missing === undefined ? 'cuda:99' : 'cuda';
  const { code, message } = await failure(() => pairwiseDistance(points, undefined, { c: 1, device }));
  t.regex(code, missing === undefined ? /^ERR_HOROBALL_DEVICE$/ : /^ERR_HOROBALL_(DEVICE|UNSUPPORTED)$/);
  t.regex(
    message,
    /^\[pairwiseDistance\] .*(no CUDA device|CUDA device 99 not found|driver|no CUDA kernels|capability)/,
  );
  t.is((await pairwiseDistance(points, undefined, { c: 1 })).data.length, 9);
});

/** Computes distances on the device and on the CPU in a separate process, and returns its output. */
async function said(environment: Record<string, string>): Promise<string> {
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const code = `import { matrix, pairwiseDistance } from '${library}';
    const x = matrix(new Float32Array(2000), 1000, 2);
    const call = (device) => pairwiseDistance(x, undefined, { c: 1, device });
    await call('cuda').then(() => console.log('ok'), ({ code, message }) => console.log(code, message));
    console.log((await call('cpu')).data.length);`;
  const options = { env: { ...process.env, ...environment } };
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], options)).stdout;
}

/**
 * Returns the largest relative error of the distances of far pairs on the device, or the error of the call, in a process
 * with HOROBALL_CUDA_MATH set to `math`.
 */
async function worstError(math: string): Promise<string> {
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const code = `import { matrix, pairwiseDistance } from '${library}';
    const x = matrix(Float32Array.from({ length: 70 * 40 }, (_, i) => Math.sin(i * i) / 7), 70, 40);
    const want = pairwiseDistance.sync(x, undefined, { c: 1 }).data;
    try {
      const got = pairwiseDistance.sync(x, undefined, { c: 1, device: 'cuda' }).data;
      console.log(Math.max(...want.map((d, i) => (d === 0 ? 0 : Math.abs(got[i] - d) / d))));
    } catch ({ code, message }) { console.log(code, message); }`;
  const options = { env: { ...process.env, HOROBALL_CUDA_MATH: math } };
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], options)).stdout;
}

gpu('searches run on the device of the network if the core has kernels for it', (t) => {
  t.is(searchDevice('cuda'), 'cuda:0');
  t.is(searchDevice('cuda:0'), 'cuda:0');
  t.is(searchDevice('cuda:99'), 'cpu');
  t.is(searchDevice('cpu'), 'cpu');
});

gpu('HOROBALL_CUDA_MATH selects float32 products or less accurate TF32 products', async (t) => {
  const [exact, plain] = [Number(await worstError('float32')), Number(await worstError('tf32'))];
  const { value } = metricCard('poincare').tolerance.device;
  t.true(exact <= value.float32, `${exact}`);
  t.true(plain > 2 * value.float32 && plain < 500 * value.float32, `${plain}`);
  t.regex(
    await worstError('half'),
    /^ERR_HOROBALL_UNSUPPORTED .*HOROBALL_CUDA_MATH: expected float32 .*got 'half'/,
  );
});

// Only an emulated device can be given little memory or removed.
const emulated: typeof gpu = isEmulated ? gpu : test.skip;

emulated('the error for insufficient memory names the requested and the free size', async (t) => {
  const text = await said({ HOROBALL_EMULATOR_BYTES: '100000' });
  t.regex(
    text,
    /^ERR_HOROBALL_MEMORY .*could not allocate 4000000 bytes .*of 100000 bytes are free\n1000000\n$/,
  );
});

emulated('a machine without a device causes a coded error', async (t) => {
  t.regex(await said({ HOROBALL_EMULATOR_DEVICES: '0' }), /^ERR_HOROBALL_DEVICE .*no CUDA device/);
});

emulated('an outdated or missing driver causes a coded error', async (t) => {
  const older =
    /^ERR_HOROBALL_DEVICE .*the NVIDIA driver supports CUDA 12\.4, but this build needs 13\.0\. Update/;
  t.regex(await said({ HOROBALL_EMULATOR_DRIVER: '12040' }), older);
  const none = /^ERR_HOROBALL_DEVICE .*no NVIDIA driver found\..*\n1000000\n$/;
  t.regex(await said({ HOROBALL_EMULATOR_DRIVER: '0' }), none);
});

emulated(
  'the CPU still works after a failed launch, or if the build has no code for the device',
  async (t) => {
    const launch = (error: number) => said({ HOROBALL_EMULATOR_LAUNCH: String(error) });
    t.regex(await launch(209), /^ERR_HOROBALL_DEVICE .*no code for CUDA device 0\. Rebuild .*\n1000000\n$/);
    t.regex(await launch(222), /^ERR_HOROBALL_DEVICE .*the NVIDIA driver supports CUDA 13\.0.*\n1000000\n$/);
    t.regex(await launch(1), /^ERR_HOROBALL_DEVICE .*CUDA device 0: a launch failed: .*\n1000000\n$/);
  },
);

emulated('results do not depend on the order of threads', async (t) => {
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const code = `import { hybridContrastiveLoss, matrix } from '${library}';
    const x = matrix(Float32Array.from({ length: 150 * 20 }, (_, i) => Math.sin(i * i) / 5), 150, 20);
    const options = { euclidean: x, hyperbolic: x, normalize: true, views: 3, c: 1, device: 'cuda' };
    const { loss, gradHyperbolic, gradParams, stats } = hybridContrastiveLoss.sync(options);
    console.log(loss, gradHyperbolic.data.join(), gradParams, stats);`;
  const run = async (seed: string) => {
    const options = { env: { ...process.env, HOROBALL_EMULATOR_SEED: seed } };
    return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], options)).stdout;
  };
  const first = await run('1');
  for (const seed of ['2', '3']) t.is(await run(seed), first);
});
