import { join } from 'node:path';
import { Command, Option } from 'commander';
import { exportOnnx } from '../train/onnx/export.ts';
import { readRun } from '../train/run-folder.ts';
import { addNotes } from './help.ts';
import { jsonLine } from './json.ts';
import { checkOutput } from './output.ts';

/** `horoball export`: a run's network as one file that other runtimes read. */
export function exportCommand(): Command {
  const command = new Command('export')
    .description("write a run's network as ONNX, for any runtime that reads it")
    .argument('<run>', 'run folder')
    .addOption(
      new Option('--onnx <file>', 'where it goes').default(undefined, 'model.onnx in the run folder'),
    )
    .option('--json', 'print what was written as a line of JSON on stdout')
    .action(async (path: string, options: { onnx?: string; json?: boolean }) => {
      if (options.onnx !== undefined) await checkOutput('[export] onnx', options.onnx);
      await readRun(path); // says so where it is no run folder
      const file = options.onnx ?? join(path, 'model.onnx');
      const result = await exportOnnx(join(path, 'model.safetensors'), file);
      const { bytes, size, dim, c } = result;
      process.stderr.write(
        `${file}: ${(bytes / 1e6).toFixed(1)} MB. pictures (N x 3 x ${size} x ${size}, RGB from 0 to 1) -> body, euclidean and hyperbolic (N x ${dim}, c ${c})\n`,
      );
      if (options.json) jsonLine(result);
    });
  addNotes(command, { examples: [['the network of a run', 'horoball export runs/shapes-hybrid-1']] });
  return command;
}
