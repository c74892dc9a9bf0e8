import { DiaristError } from '../../core/errors.ts';
import { isLanguageCode, type LanguageCode, languageName } from '../../core/languages.ts';
import { encodeText, rankTokens, type TokenRanks } from './tokenizer-bpe.ts';
import { byteCharactersToText } from './tokenizer-bytes.ts';
import { readTokens, type TokenizerFiles } from './tokenizer-files.ts';
import { splitToWords, type TokenWord } from './tokenizer-words.ts';

export { findTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';
export type { TokenWord } from './tokenizer-words.ts';

/** Ids of the tokens that steer decoding; they differ between English-only, multilingual and large-v3 models. */
export interface SpecialTokens {
  readonly eot: number;
  readonly sot: number;
  readonly translate: number;
  readonly transcribe: number;
  readonly sotLm: number;
  readonly sotPrev: number;
  readonly noSpeech: number;
  readonly noTimestamps: number;
  /** `<|0.00|>`; the token `timestampBegin + n` stands for n * {@link SECONDS_PER_TIMESTAMP}. */
  readonly timestampBegin: number;
}

export const SECONDS_PER_TIMESTAMP = 0.02;

/** The end of text of GPT-2's English vocabulary, which only English-only models have. */
const ENGLISH_ONLY_EOT = 50_256;

/** Whisper's tokens: text to ids and back, and the ids that steer decoding. */
export class WhisperTokenizer {
  readonly special: SpecialTokens;
  /** False for `.en` models, whose prompts name neither language nor task. */
  readonly multilingual: boolean;
  /** Language tokens of this model by code, in token order; empty for English-only models. */
  readonly languageTokens: ReadonlyMap<LanguageCode, number>;
  readonly #tokens: readonly string[];
  #ranks: TokenRanks | undefined;
  #nonSpeech: readonly number[] | undefined;

  /** `tokens` are texts by id in the byte-level alphabet, special tokens after those of text. */
  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
    this.special = findSpecialTokens(tokens);
    const languages = findLanguageTokens(tokens, this.special);
    this.multilingual = this.special.eot !== ENGLISH_ONLY_EOT && languages.size > 0;
    this.languageTokens = this.multilingual ? languages : new Map();
  }

  /**
   * Token ids of `text`, equal to openai-whisper's. What looks like a special token (`<|…|>`) stays text: people write
   * prompts. The first call builds a table, in some 15 ms.
   */
  encode(text: string): number[] {
    this.#ranks ??= rankTokens(this.#tokens, this.special.eot);
    return encodeText(text, this.#ranks);
  }

  /** Text of the tokens without special tokens and timestamps; characters cut in two become U+FFFD. */
  decode(tokens: Iterable<number>): string {
    const texts: string[] = [];
    for (const token of tokens) {
      if (token < this.special.eot) texts.push(this.#tokens[token] ?? '');
    }
    return byteCharactersToText(texts);
  }

  /** Like {@link decode}, with timestamps written as `<|1.00|>`. */
  decodeWithTimestamps(tokens: readonly number[]): string {
    const { timestampBegin } = this.special;
    let text = '';
    let from = 0;
    tokens.forEach((token, index) => {
      if (token < timestampBegin) return;
      text += this.decode(tokens.slice(from, index));
      text += `<|${((token - timestampBegin) * SECONDS_PER_TIMESTAMP).toFixed(2)}|>`;
      from = index + 1;
    });
    return text + this.decode(from === 0 ? tokens : tokens.slice(from));
  }

  /** Token of a language. Throws `unknown_language` where this model was not trained on it. */
  languageToken(code: string): number {
    const token = isLanguageCode(code) ? this.languageTokens.get(code) : undefined;
    if (token !== undefined) return token;
    const reason = this.multilingual
      ? `This model does not know ${languageName(code)}: choose another language, or large-v3, which knows the most.`
      : `This model knows English only: choose a model without ".en" for ${languageName(code)}.`;
    throw new DiaristError('unknown_language', reason);
  }

  /** Throws `usage` where this model cannot do a task: one that knows English only has nothing to translate. */
  requireTask(task: 'transcribe' | 'translate'): void {
    if (task === 'transcribe' || this.multilingual) return;
    throw new DiaristError(
      'usage',
      'This model knows English only and cannot translate: choose a model without ".en", or the task transcribe.',
      { param: 'task' },
    );
  }

  /** The tokens every transcript starts from: start, language and task, or start alone for English-only models. */
  sotSequence(language: string, task: 'transcribe' | 'translate'): number[] {
    if (!this.multilingual) return [this.special.sot];
    return [this.special.sot, this.languageToken(language), this.special[task]];
  }

  /** Splits text tokens into words, see {@link TokenWord}; punctuation stands alone. */
  splitToWords(tokens: readonly number[], language: string): TokenWord[] {
    return splitToWords(tokens, this.multilingual ? language : 'en', {
      eot: this.special.eot,
      decodeWithTimestamps: (part) => this.decodeWithTimestamps(part),
    });
  }

  /**
   * Tokens to suppress so that nothing unspoken is written: notes, speaker tags, annotations. What the reference suppresses
   * for `-1`, ascending. Source: openai-whisper 20250625, `non_speech_tokens`.
   */
  nonSpeechTokens(): readonly number[] {
    this.#nonSpeech ??= this.#findNonSpeechTokens();
    return this.#nonSpeech;
  }

  #findNonSpeechTokens(): number[] {
    // Hyphens and quotes are fine between words, not at the beginning of one.
    const found = new Set([this.encode(' -')[0]!, this.encode(" '")[0]!]);
    for (const symbol of [...NON_SPEECH_SYMBOLS, ...NON_SPEECH_NOTES]) {
      for (const tokens of [this.encode(symbol), this.encode(` ${symbol}`)]) {
        // Notes that take several tokens share their first ones with nothing but other miscellaneous symbols.
        if (tokens.length === 1 || NON_SPEECH_NOTES.includes(symbol)) found.add(tokens[0]!);
      }
    }
    return [...found].filter((token) => token !== undefined).sort((a, b) => a - b);
  }
}

const NON_SPEECH_SYMBOLS: readonly string[] = [
  ...'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
  ...'<< >> <<< >>> -- --- -( -[ (\' (" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪'.split(' '),
];
const NON_SPEECH_NOTES: readonly string[] = [...'♩♪♫♬♭♮♯'];

/**
 * Opens the tokenizer of a model. Decoding reads the cheapest file there is. Throws `model_corrupt` where a file is damaged or has no Whisper tokens.
 */
export function loadTokenizer(files: TokenizerFiles): WhisperTokenizer {
  return new WhisperTokenizer(readTokens(files));
}

function findSpecialTokens(tokens: readonly string[]): SpecialTokens {
  const ids = new Map<string, number>();
  // Special tokens stand behind the text tokens: from the end, the walk is short.
  for (let id = tokens.length - 1; id >= 0; id--) {
    const token = tokens[id]!;
    if (!token.startsWith('<|')) continue;
    ids.set(token, id);
    if (token === '<|endoftext|>') break;
  }
  const id = (...names: string[]): number => {
    for (const name of names) {
      const found = ids.get(name);
      if (found !== undefined) return found;
    }
    throw new DiaristError(
      'model_corrupt',
      `The model's vocabulary has no token ${names[0]}: it is damaged or not a Whisper model, so fetch it again.`,
    );
  };
  const noTimestamps = id('<|notimestamps|>');
  return {
    eot: id('<|endoftext|>'),
    sot: id('<|startoftranscript|>'),
    translate: id('<|translate|>'),
    transcribe: id('<|transcribe|>'),
    sotLm: id('<|startoflm|>'),
    sotPrev: id('<|startofprev|>'),
    noSpeech: id('<|nospeech|>', '<|nocaptions|>'),
    noTimestamps,
    timestampBegin: noTimestamps + 1,
  };
}

function findLanguageTokens(tokens: readonly string[], special: SpecialTokens): Map<LanguageCode, number> {
  const languages = new Map<LanguageCode, number>();
  for (let id = special.sot + 1; id < special.noTimestamps; id++) {
    const code = /^<\|([a-z]+)\|>$/.exec(tokens[id] ?? '')?.[1];
    if (code !== undefined && isLanguageCode(code)) languages.set(code, id);
  }
  return languages;
}
