import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { chooseProvider } from './devices.ts';

const hasGpu = existsSync('/dev/nvidiactl');

it('takes the processor where it is asked for, and where there is nothing else', async () => {
  expect(await chooseProvider('cpu')).toEqual({ provider: 'cpu' });
  if (!hasGpu) expect(await chooseProvider('auto')).toEqual({ provider: 'cpu' });
});

it.for(['cuda', 'webgpu'] as const)(
  'says in a sentence that there is no %s device, and what to do',
  async (device, { skip }) => {
    const error = await chooseProvider(device).catch((reason: unknown) => reason);
    if (!(error instanceof Error)) skip(`this machine has a ${device} device`);
    expect(error).toMatchObject({ code: 'device_unavailable' });
    const { message } = error as Error;
    expect(message).toContain('run with --device cpu');
    // Nothing of the runtime's own source code.
    expect(message).not.toMatch(/\n|::|\/|\.cc/);
  },
);

it.skipIf(process.platform === 'darwin')(
  'does not take the processor for a device that this platform lacks',
  async () => {
    await expect(chooseProvider('coreml')).rejects.toMatchObject({ code: 'device_unavailable' });
  },
);
