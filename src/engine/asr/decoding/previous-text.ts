import { TEXT_CONTEXT } from '../graphs/shape.ts';
import type { WhisperTokenizer } from '../tokenizer.ts';
import type { RecognitionTask } from './recognition.ts';

/** A prompt takes at most half of the text context, less the token that announces it. */
const MAX_PROMPT_TOKENS = TEXT_CONTEXT / 2 - 1;

/** What a window is told went before it. */
export interface PreviousText {
  /** Begins with the token that announces it; empty where there is nothing to tell. */
  readonly tokens: readonly number[];
  /** Tokens of prompt and hot words that there was no room for. */
  readonly cut: number;
}

/** Hot words from their beginning, then the end of the prompt. Source: openai-whisper, `transcribe`; faster-whisper, `get_prompt`. */
export function previousText(
  tokenizer: WhisperTokenizer,
  { prompt, hotwords }: Pick<RecognitionTask, 'prompt' | 'hotwords'>,
): PreviousText {
  const encode = (text: string | undefined): readonly number[] => {
    const trimmed = text?.trim() ?? '';
    return trimmed === '' ? [] : tokenizer.encode(` ${trimmed}`);
  };
  const [allWords, allBefore] = [encode(hotwords), encode(prompt)];
  const words = allWords.slice(0, MAX_PROMPT_TOKENS);
  const room = MAX_PROMPT_TOKENS - words.length;
  const before = room > 0 ? allBefore.slice(-room) : [];
  const text = [...words, ...before];
  return {
    tokens: text.length === 0 ? [] : [tokenizer.special.sotPrev, ...text],
    cut: allWords.length + allBefore.length - text.length,
  };
}
