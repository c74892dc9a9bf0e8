import { z } from 'zod';

/** What a call with `Prefer: respond-async` is answered with, for the documentation of routes that transcribe. */
export const asyncResponse = {
  description: 'With "Prefer: respond-async": the job, which goes on by itself. Location says where.',
  content: {
    'application/json': {
      schema: z.object({
        id: z.string(),
        state: z.string(),
        progress: z.number(),
        createdAt: z.iso.datetime(),
        queuePosition: z.int().optional(),
        etaSeconds: z.number().optional(),
        links: z.object({ self: z.string(), transcript: z.string() }),
      }),
    },
  },
};
