import type { JobEvent } from '../../../jobs/types.ts';
import type { EventStreamStyle } from '../../event-stream.ts';

/** How long a browser is to wait before it connects again, in milliseconds. */
const RETRY_MS = 2000;

/** `id` is the number of the event, so that a client that comes back with `Last-Event-ID` goes on behind it. */
export const JOB_EVENTS: EventStreamStyle<JobEvent> = {
  opening: `retry: ${RETRY_MS}\n\n`,
  frame: ({ seq, at, kind, ...what }) => {
    const data = JSON.stringify({ kind, at: new Date(at).toISOString(), ...what });
    return `id: ${seq}\nevent: ${kind}\ndata: ${data}\n\n`;
  },
};
