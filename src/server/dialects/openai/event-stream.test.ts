import { describe, expect, it } from 'vitest';
import { eventStream } from '../../event-stream.ts';
import { openaiEvents } from './event-stream.ts';
import type { StreamEvent } from './schemas.ts';

const delta = (text: string): StreamEvent => ({ type: 'transcript.text.delta', delta: text });

/** Events that come when the test says so. */
class Source implements AsyncIterator<StreamEvent, void> {
  readonly #waiting: PromiseWithResolvers<IteratorResult<StreamEvent, void>>[] = [];
  #asked = 0;
  #told = 0;
  closed = false;

  next(): Promise<IteratorResult<StreamEvent, void>> {
    return this.#at(this.#asked++).promise;
  }

  tell(event: StreamEvent): void {
    this.#at(this.#told++).resolve({ value: event, done: false });
  }

  end(): void {
    this.#at(this.#told++).resolve({ value: undefined, done: true });
  }

  fail(error: Error): void {
    this.#at(this.#told++).reject(error);
  }

  async return(): Promise<IteratorResult<StreamEvent, void>> {
    this.closed = true;
    return { value: undefined, done: true };
  }

  #at(position: number): PromiseWithResolvers<IteratorResult<StreamEvent, void>> {
    this.#waiting[position] ??= Promise.withResolvers();
    return this.#waiting[position];
  }
}

function streamOf(source: Source, keepAliveMs = 60_000): AsyncGenerator<string, void, undefined> {
  const style = openaiEvents((error) => ({ error: { message: String(error) } }));
  return eventStream(source, { ...style, keepAliveMs }, source.next());
}

async function allOf(stream: AsyncIterable<string>): Promise<string[]> {
  const frames: string[] = [];
  for await (const frame of stream) frames.push(frame);
  return frames;
}

describe('a stream of openaiEvents', () => {
  it('is data alone, in order, to the end', async () => {
    const source = new Source();
    source.tell(delta('one\ntwo'));
    source.tell(delta(' three'));
    source.end();
    expect(await allOf(streamOf(source))).toEqual([
      ': listening\n\n',
      'data: {"type":"transcript.text.delta","delta":"one\\ntwo"}\n\n',
      'data: {"type":"transcript.text.delta","delta":" three"}\n\n',
    ]);
    expect(source.closed).toBe(true);
  });

  it('says its first bytes at once, and comments while nothing happens', async () => {
    const source = new Source();
    const stream = streamOf(source, 1);
    expect((await stream.next()).value).toBe(': listening\n\n');
    expect((await stream.next()).value).toBe(': keep-alive\n\n');
    expect((await stream.next()).value).toBe(': keep-alive\n\n');
    source.tell(delta('at last'));
    expect((await stream.next()).value).toContain('at last');
    await stream.return();
    expect(source.closed).toBe(true);
  });

  it('ends with the error', async () => {
    const source = new Source();
    source.tell(delta('one'));
    source.fail(new Error('No more.'));
    expect((await allOf(streamOf(source))).at(-1)).toBe('data: {"error":{"message":"Error: No more."}}\n\n');
  });
});
