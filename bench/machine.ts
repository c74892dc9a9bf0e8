import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** What a result must be read with. */
export interface Machine {
  readonly label: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
}

export function describeMachine(label?: string): Machine {
  const cpu = (cpus()[0]?.model ?? 'unknown CPU')
    .replace(/\((?:R|TM)\)/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  const cores = availableParallelism();
  return {
    label:
      label ??
      `${cpu} ${cores} cores`
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, ''),
    cpu,
    cores,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
  };
}
