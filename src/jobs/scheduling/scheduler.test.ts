import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ScheduledJob, Scheduler } from './scheduler.ts';

let seq = 0;

function job(changed: Partial<ScheduledJob> = {}): ScheduledJob {
  seq++;
  return {
    id: `job${seq}`,
    seq,
    client: 'ana',
    priority: 'normal',
    model: 'base',
    audioSeconds: 100,
    ...changed,
  };
}

class Rig {
  readonly started: string[] = [];
  readonly full = new Set<string>();
  readonly scheduler: Scheduler;

  constructor(maxRunning = 16) {
    const engines = { hasRoomFor: (model: string) => !this.full.has(model) };
    this.scheduler = new Scheduler(engines, maxRunning, (id) => this.started.push(id));
  }

  async add(...jobs: ScheduledJob[]): Promise<void> {
    for (const one of jobs) this.scheduler.add(one);
    await Promise.resolve();
  }

  async finish(id: string): Promise<void> {
    this.scheduler.finished(id);
    await Promise.resolve();
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the scheduler', () => {
  it('runs as many as it may, and no more than four long ones', async () => {
    const rig = new Rig(8);
    const long = Array.from({ length: 5 }, (_, index) => job({ audioSeconds: 7200, client: `c${index}` }));
    const short = Array.from({ length: 3 }, (_, index) => job({ client: `s${index}` }));
    await rig.add(...long, ...short);
    expect(rig.scheduler.running).toBe(6);
    expect(rig.started.filter((id) => long.some((one) => one.id === id))).toHaveLength(4);
    expect(rig.scheduler.queued).toBe(2);
  });

  it('keeps places for dictations that recordings cannot fill', async () => {
    const rig = new Rig(4);
    await rig.add(...Array.from({ length: 8 }, () => job({ audioSeconds: 500 })));
    expect(rig.scheduler.running).toBe(3);
    const dictation = job({ priority: 'interactive', audioSeconds: 3 });
    await rig.add(dictation);
    expect(rig.started.at(-1)).toBe(dictation.id);
    expect(rig.scheduler.running).toBe(4);
  });

  it('puts a dictation of another client before a backlog', async () => {
    const rig = new Rig(1);
    const backlog = Array.from({ length: 10 }, () => job());
    await rig.add(...backlog);
    const dictation = job({ client: 'bob', priority: 'interactive', audioSeconds: 3 });
    await rig.add(dictation);
    expect(rig.scheduler.place(dictation.id)).toEqual({ position: 0 });
    await rig.finish(rig.started[0]!);
    expect(rig.started[1]).toBe(dictation.id);
  });

  it('forgets who ran much when all is done, but not while anything still runs', async () => {
    const placeOfAna = async (alsoFinished: boolean) => {
      const rig = new Rig(2);
      const [long, other] = [job({ audioSeconds: 7200 }), job({ client: 'bob' })];
      await rig.add(long, other);
      await rig.finish(long.id);
      if (alsoFinished) await rig.finish(other.id);
      const backlog = Array.from({ length: 4 }, () => job({ client: 'eve' }));
      const again = job();
      await rig.add(...backlog, again);
      return rig.scheduler.place(again.id)?.position ?? 'started';
    };
    expect(await placeOfAna(false)).toBe(3);
    expect(await placeOfAna(true)).toBe('started');
  });

  it('lets others pass a job whose model has no room, but not for ever', async () => {
    const rig = new Rig(2);
    rig.full.add('large');
    const large = job({ model: 'large' });
    const others = Array.from({ length: 40 }, (_, index) => job({ client: `c${index}` }));
    await rig.add(large, ...others);
    expect(rig.started).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(61_000);
    const before = rig.started.length;
    for (const id of [...rig.started]) await rig.finish(id);
    expect(rig.started).toHaveLength(before);
    rig.full.clear();
    await vi.advanceTimersByTimeAsync(1000);
    expect(rig.started[before]).toBe(large.id);
    expect(rig.scheduler.running).toBe(2);
  });

  it('runs a suspect while nothing else runs, until it is cleared', async () => {
    const rig = new Rig();
    const [first, second] = [job(), job()];
    await rig.add(first, second);
    const suspect = job({ aloneUntil: 0.5, client: 'bob' });
    const later = job({ client: 'eve' });
    await rig.add(suspect, later);
    await rig.finish(first.id);
    expect(rig.started).toEqual([first.id, second.id]);
    await rig.finish(second.id);
    expect(rig.started.slice(2)).toEqual([suspect.id]);
    rig.scheduler.progressed(suspect.id, 0.5, 100, 0);
    await Promise.resolve();
    expect(rig.started).toHaveLength(3);
    // It got behind the place of the crash: others need not wait for its end.
    rig.scheduler.progressed(suspect.id, 0.6, 100, 0);
    await Promise.resolve();
    expect(rig.started.slice(3)).toEqual([later.id]);
  });

  it('says when a waiting job starts once it knows the speed of the machine', async () => {
    const rig = new Rig(1);
    const [first, second, third] = [job(), job({ audioSeconds: 50 }), job()];
    await rig.add(first, second, third);
    expect(rig.scheduler.place(third.id)).toEqual({ position: 1 });
    vi.advanceTimersByTime(10_000);
    rig.scheduler.progressed(first.id, 0.5, 100, 0);
    // 50 s of audio in 10 s; 50 s are left of the first, 50 s are the second.
    expect(rig.scheduler.place(third.id)).toEqual({ position: 1, etaSeconds: 20 });
    expect(rig.scheduler.place(first.id)).toBeUndefined();
    expect(rig.scheduler.pendingAudioSeconds('ana')).toBe(250);
  });
});
