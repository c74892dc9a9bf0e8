import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import type { EnsureOptions } from '../models/store.ts';
import type { ResolvedModel } from '../models/types.ts';
import { ModelSupply } from './model-supply.ts';

const RETRY_MS = 5000;

/** A store in which every model but `base` is missing, until the test lets a fetch come to its end. */
class SlowStore {
  readonly asked: string[] = [];
  readonly present = new Set(['base']);
  fetch = Promise.withResolvers<void>();

  async find(name: string): Promise<ResolvedModel | null> {
    return this.present.has(name) ? model(name) : null;
  }

  async ensure(name: string, { signal, onProgress }: EnsureOptions = {}): Promise<ResolvedModel> {
    this.asked.push(name);
    onProgress?.({ model: name, source: 'hub', receivedBytes: 40, totalBytes: 100 });
    signal?.addEventListener('abort', () => this.fetch.reject(new DiaristError('cancelled', 'Cancelled.')));
    await this.fetch.promise;
    return model(name);
  }
}

function model(name: string): ResolvedModel {
  const kind = { role: 'whisper', format: 'torch', licence: 'MIT' } as const;
  return { name, dir: '/models', weights: '/models/w', weightHash: '0', ...kind };
}

function supplyOf(store: SlowStore, fetch = true): ModelSupply {
  return new ModelSupply({ store, model: 'base', preload: ['tiny'], fetch, logger: pino({ level: 'silent' }) });
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('ModelSupply', () => {
  it('names what is missing and how far it is, tries again after a failure, and is complete in the end', async () => {
    const store = new SlowStore();
    const supply = supplyOf(store);
    await supply.start();
    expect(supply.missing()).toEqual([
      { name: 'segmentation-3.0', state: 'fetching', progress: 0.4 },
      { name: 'campplus', state: 'waiting' },
      { name: 'tiny', state: 'waiting' },
    ]);
    expect(supply.hasDiarization()).toBe(false);
    store.fetch.reject(new DiaristError('network', 'There is no network: check the cable.'));
    await vi.advanceTimersByTimeAsync(RETRY_MS - 1);
    expect(supply.missing().map(({ state, error }) => [state, error])).toEqual(
      Array(3).fill(['waiting', 'There is no network: check the cable.']),
    );
    store.fetch = Promise.withResolvers();
    store.fetch.resolve();
    await vi.advanceTimersByTimeAsync(1);
    await supply.whenComplete();
    expect([supply.missing(), supply.hasDiarization()]).toEqual([[], true]);
    expect(store.asked).toEqual([
      ...['segmentation-3.0', 'campplus', 'tiny'],
      ...['segmentation-3.0', 'campplus', 'tiny'],
    ]);
  });

  it('stops in the middle of a fetch when the server stops', async () => {
    const store = new SlowStore();
    const supply = supplyOf(store);
    await supply.start();
    await supply.close();
    expect(store.asked).toEqual(['segmentation-3.0']);
  });

  it('names what is missing where it is not to fetch, and notices when somebody brings it', async () => {
    const store = new SlowStore();
    const supply = supplyOf(store, false);
    await supply.start();
    expect(supply.missing().map(({ state }) => state)).toEqual(['missing', 'missing', 'missing']);
    store.present.add('campplus').add('tiny');
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(supply.missing().map(({ name }) => name)).toEqual(['segmentation-3.0']);
    store.present.add('segmentation-3.0');
    await vi.advanceTimersByTimeAsync(2 * RETRY_MS);
    await supply.whenComplete();
    expect([supply.missing(), store.asked]).toEqual([[], []]);
  });
});
