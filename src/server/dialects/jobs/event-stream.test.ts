import { describe, expect, it } from 'vitest';
import type { JobEvent } from '../../../jobs/types.ts';
import { eventStream } from '../../event-stream.ts';
import { JOB_EVENTS } from './event-stream.ts';

const at = Date.UTC(2026, 10, 21);

/** Events that come when the test says so. */
class Source implements AsyncIterator<JobEvent> {
  readonly #waiting: PromiseWithResolvers<IteratorResult<JobEvent>>[] = [];
  closed = false;

  next(): Promise<IteratorResult<JobEvent>> {
    const waiting = Promise.withResolvers<IteratorResult<JobEvent>>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  return(): Promise<IteratorResult<JobEvent>> {
    this.closed = true;
    return Promise.resolve({ done: true, value: undefined });
  }

  tell(event: JobEvent): void {
    this.#waiting.shift()!.resolve({ done: false, value: event });
  }

  end(): void {
    this.#waiting.shift()!.resolve({ done: true, value: undefined });
  }

  fail(error: Error): void {
    this.#waiting.shift()!.reject(error);
  }
}

describe('a stream of JOB_EVENTS', () => {
  it('writes numbered events and ends with them', async () => {
    const source = new Source();
    const stream = eventStream(source, JOB_EVENTS);
    expect((await stream.next()).value).toBe('retry: 2000\n\n');
    const first = stream.next();
    source.tell({ seq: 7, at, kind: 'state', state: 'running' });
    expect((await first).value).toBe(
      'id: 7\nevent: state\ndata: {"kind":"state","at":"2026-11-21T00:00:00.000Z","state":"running"}\n\n',
    );
    const last = stream.next();
    source.end();
    expect((await last).done).toBe(true);
    expect(source.closed).toBe(true);
  });

  it('keeps text with line breaks in one event', async () => {
    const source = new Source();
    const stream = eventStream(source, JOB_EVENTS);
    await stream.next();
    const event = stream.next();
    const part = { index: 0, start: 0, end: 1, text: 'a\n\nid: 9\r\nb', language: 'en', words: [], avgLogprob: -0.1 };
    source.tell({ seq: 1, at, kind: 'part', part });
    const text = String((await event).value);
    expect(text.match(/\n/g)).toHaveLength(4);
    expect(JSON.parse(text.split('data: ')[1]!)).toMatchObject({ part });
  });

  it('comments while nothing happens, and loses no event by it', async () => {
    const source = new Source();
    const stream = eventStream(source, { ...JOB_EVENTS, keepAliveMs: 1 });
    await stream.next();
    expect((await stream.next()).value).toBe(': keep-alive\n\n');
    expect((await stream.next()).value).toBe(': keep-alive\n\n');
    source.tell({ seq: 1, at, kind: 'progress', stage: 'decode', progress: 0.5 });
    expect((await stream.next()).value).toContain('id: 1\n');
  });

  it('lets go of the events when the client leaves while one is waited for', async () => {
    const source = new Source();
    const stream = eventStream(source, { ...JOB_EVENTS, keepAliveMs: 1 });
    await stream.next();
    await stream.next();
    await stream.return();
    expect(source.closed).toBe(true);
    // Nobody listens any more: this must not end the process.
    source.fail(new Error('cancelled'));
    await new Promise(setImmediate);
  });
});
