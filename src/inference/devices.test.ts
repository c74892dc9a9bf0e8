import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { chooseProvider } from './devices.ts';

const hasGpu = existsSync('/dev/nvidiactl');

it('takes the processor where it is asked for, and where there is nothing else', async () => {
  expect(await chooseProvider('cpu')).toEqual({ provider: 'cpu' });
  if (!hasGpu) expect(await chooseProvider('auto')).toEqual({ provider: 'cpu' });
});

it.skipIf(hasGpu)('says in a sentence that a device is missing, and what to do', async () => {
  const error = await chooseProvider('cuda').catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'device_unavailable' });
  const { message } = error as Error;
  expect(message).toContain('run with --device cpu');
  expect(message).not.toContain('\n');
});

it.skipIf(process.platform === 'darwin')(
  'does not take the processor for a device that this platform lacks',
  async () => {
    await expect(chooseProvider('coreml')).rejects.toMatchObject({ code: 'device_unavailable' });
  },
);
