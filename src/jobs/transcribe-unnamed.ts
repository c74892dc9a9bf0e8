import { errorWithoutRecordingPath, withoutRecordingPath } from '../core/recording-path.ts';
import type { Engines } from '../host/types.ts';
import type { RunContext, TranscribeRequest } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';

/** Transcribes; neither the warnings nor the error tell where on the server the recording lies. */
export async function transcribeUnnamed(
  engines: Engines,
  model: string,
  request: TranscribeRequest,
  context: RunContext,
): Promise<Transcript> {
  try {
    const transcript = await engines.transcribe(model, request, context);
    const warnings = transcript.warnings.map(({ code, message }) => ({
      code,
      message: withoutRecordingPath(message, request.path),
    }));
    return { ...transcript, warnings };
  } catch (error) {
    throw errorWithoutRecordingPath(error, request.path);
  }
}
