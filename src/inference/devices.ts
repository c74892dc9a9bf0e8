import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listSupportedBackends } from 'onnxruntime-node';
import { DiaristError } from '../core/errors.ts';
import { isCudaLibraryInstalled } from './cuda-library.ts';
import { ElementType, writeGraph } from './onnx/graph-builder.ts';
import { openSession, type Provider } from './session.ts';

export interface DeviceChoice {
  readonly provider: Provider;
  /** Why a device that seems to be there is not used; absent where there is nothing to say. */
  readonly note?: string;
}

/**
 * The execution provider for a device people ask for. `auto` takes the GPU where one is here and its provider loads, else
 * the processor, and says so where a GPU stays idle. Throws `device_unavailable` for a device that cannot be used.
 */
export async function chooseProvider(device: 'auto' | Provider): Promise<DeviceChoice> {
  if (device === 'cpu') return { provider: 'cpu' };
  if (device !== 'auto') {
    await tryProvider(device);
    return { provider: device };
  }
  if (!hasNvidiaGpu()) return { provider: 'cpu' };
  try {
    await tryProvider('cuda');
    return { provider: 'cuda' };
  } catch {
    const because = isCudaLibraryInstalled()
      ? 'it cannot be used ("diarist doctor --device cuda" says why)'
      : 'the CUDA provider of onnxruntime-node is not installed';
    return { provider: 'cpu', note: `There is an NVIDIA GPU, but ${because}, so the processor does the work.` };
  }
}

/** Runs the smallest of graphs: a provider may exist and yet not load. */
async function tryProvider(provider: Provider): Promise<void> {
  // The runtime passes over a provider it was built without, and runs on the processor.
  if (!listSupportedBackends().some(({ name }) => name === provider)) {
    throw new DiaristError(
      'device_unavailable',
      `The ${provider} device does not exist on this platform: run with --device cpu.`,
    );
  }
  if (provider === 'cuda' && process.platform === 'linux' && !isCudaLibraryInstalled()) {
    throw new DiaristError(
      'device_unavailable',
      'The CUDA libraries of onnxruntime-node are not installed: install Diarist again with ONNXRUNTIME_NODE_INSTALL=cuda12 set, or run with --device cpu.',
    );
  }
  const path = join(tmpdir(), `diarist-device-${randomUUID()}.onnx`);
  try {
    writeGraph(path, (graph) => {
      graph.input('x', ElementType.float32, [1]);
      graph.output('y', ElementType.float32, [1], graph.op('Neg', ['x']));
    });
    const session = await openSession(path, { provider, threads: 1, arena: false });
    await session.release();
  } catch (error) {
    if (error instanceof DiaristError) throw error;
    throw new DiaristError('device_unavailable', `The ${provider} device cannot be used here: run with --device cpu.`, {
      cause: error,
    });
  } finally {
    rmSync(path, { force: true });
    rmSync(`${path}.data`, { force: true });
  }
}

function hasNvidiaGpu(): boolean {
  return process.platform === 'linux' && existsSync('/dev/nvidiactl');
}
