import { z } from 'zod';

const errorSchema = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string() }),
});

/** An answer in OpenAI's envelope that only some routes give, for the documentation. */
export function failure(description: string) {
  return { description, content: { 'application/json': { schema: errorSchema } } };
}
