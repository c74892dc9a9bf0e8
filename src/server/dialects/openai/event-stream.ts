import type { EventStreamStyle } from '../../event-stream.ts';
import type { StreamEvent } from './schemas.ts';

/**
 * Events as OpenAI sends them: `data` alone, without a name and without a last `[DONE]`, which OpenAI sends for chats only.
 * A failure is a last event `{"error": …}`, as `errorBody` has it.
 */
export function openaiEvents(errorBody: (error: unknown) => unknown): EventStreamStyle<StreamEvent> {
  const frame = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
  return { opening: ': listening\n\n', frame, errorFrame: (error) => frame(errorBody(error)) };
}
