import { expect, it } from 'vitest';
import { FairLane } from './fair-lane.ts';
import { COME_AGAIN, LanguageDesk } from './language-desk.ts';

const turn = { flow: 'a', weight: 1, sharing: false };
const later = () => new Promise((settle) => setImmediate(settle));

/** A chunk that holds a slot of the lane until its desk has replied. */
function chunk(lane: FairLane, desk: LanguageDesk, decided: Promise<string>): Promise<string | typeof COME_AGAIN> {
  const reply = lane.run(turn, 1, () => new Promise<string | null>((resolve) => desk.ask(decided, resolve, undefined)));
  desk.checkForStandstill();
  return reply;
}

it('replies with the language once it is decided, and waits as long as anyone gets on', async () => {
  const lane = new FairLane(2);
  const desk = new LanguageDesk(lane);
  const decided = Promise.withResolvers<string>();
  const other = Promise.withResolvers<string>();
  const running = lane.run(turn, 1, () => other.promise);
  const first = chunk(lane, desk, decided.promise);
  let replied = false;
  void first.then(() => {
    replied = true;
  });
  const queued = chunk(lane, desk, decided.promise);
  await later();
  // The slot that does not wait for a language will be free.
  expect(replied).toBe(false);
  other.resolve('done');
  await running;
  decided.resolve('de');
  expect(await Promise.all([first, queued])).toEqual(['de', 'de']);
});

it('takes the slots back where all who hold one wait, and others wait for one', async () => {
  const lane = new FairLane(2);
  const desk = new LanguageDesk(lane);
  const decided = Promise.withResolvers<string>();
  const holders = [chunk(lane, desk, decided.promise), chunk(lane, desk, decided.promise)];
  await later();
  const third = chunk(lane, desk, decided.promise);
  expect(await Promise.all(holders)).toEqual([COME_AGAIN, COME_AGAIN]);
  decided.resolve('nl');
  expect(await third).toBe('nl');
});

it('forgets a chunk that was cancelled', async () => {
  const lane = new FairLane(1);
  const desk = new LanguageDesk(lane);
  const stop = new AbortController();
  const replies: (string | null)[] = [];
  desk.ask(Promise.resolve('de'), (reply) => replies.push(reply), stop.signal);
  stop.abort();
  await later();
  expect(replies).toEqual([]);
});
