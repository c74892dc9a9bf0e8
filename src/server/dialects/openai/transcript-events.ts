import { toJsonTranscript } from '../../../transcript/formats/json.ts';
import type { Transcript } from '../../../transcript/types.ts';
import type { Followed } from '../../types.ts';
import { diarizedSegments, languagesOf } from './render.ts';
import type { StreamEvent } from './schemas.ts';
import { letterLabels } from './speaker-labels.ts';
import { TextDeltas } from './text-deltas.ts';
import type { Output } from './transcription-request.ts';

/**
 * What a streamed transcription tells: a delta for each part as soon as it is certain; then, for diarized_json, the
 * segments, because who speaks is known only after the end; then `done`, whose text is the deltas joined. Throws the
 * job's error.
 */
export async function* transcriptEvents(
  followed: Followed,
  output: Output,
  finish: (transcript: Transcript) => Transcript,
  knownNames: ReadonlySet<string>,
): AsyncGenerator<StreamEvent, void, undefined> {
  const deltas = new TextDeltas();
  const event = ({ delta, logprobs }: NonNullable<ReturnType<TextDeltas['add']>>): StreamEvent => ({
    type: 'transcript.text.delta',
    delta,
    ...(output.logprobs && { logprobs: [...logprobs] }),
  });
  for await (const happened of followed.events) {
    const added = happened.kind === 'part' ? deltas.add(happened.part) : undefined;
    if (added !== undefined) yield event(added);
  }
  const transcript = toJsonTranscript(finish(followed.transcript()));
  // A stored result may have come without its parts.
  const rest = deltas.complete(transcript.text);
  if (rest !== undefined) yield event(rest);
  if (output.format === 'diarized_json') {
    yield* diarizedSegments(transcript, letterLabels(transcript, knownNames));
  }
  yield {
    type: 'transcript.text.done',
    text: deltas.text,
    languages: languagesOf(transcript),
    ...(output.logprobs && { logprobs: [...deltas.logprobs] }),
    usage: tokenUsage(transcript),
    ...(transcript.warnings.length > 0 && { warnings: [...transcript.warnings] }),
  };
}

/** Positions of Whisper's encoder, 20 ms each. Source: Radford et al. 2022, section 2.2. */
const AUDIO_TOKENS_PER_SECOND = 50;

/** `done` knows usage by tokens only; the seconds stand beside them. */
function tokenUsage({ duration, segments }: Transcript): Extract<StreamEvent, { usage: unknown }>['usage'] {
  const audioTokens = Math.ceil(duration * AUDIO_TOKENS_PER_SECOND);
  const outputTokens = segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return {
    type: 'tokens',
    input_tokens: audioTokens,
    output_tokens: outputTokens,
    total_tokens: audioTokens + outputTokens,
    input_token_details: { text_tokens: 0, audio_tokens: audioTokens },
    seconds: duration,
  };
}
