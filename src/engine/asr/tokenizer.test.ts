import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiaristError } from '../../core/errors.ts';
import { WHISPER_LANGUAGES } from '../../core/languages.ts';
import { findTokenizerFiles, loadTokenizer, WhisperTokenizer } from './tokenizer.ts';
import { textToByteCharacters } from './tokenizer-bytes.ts';

/** The 256 bytes in GPT-2's order, then a few merges: a vocabulary small enough to read. */
function tinyTokens(specials: readonly string[]): string[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const printable = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const ordered = [...bytes.filter(printable), ...bytes.filter((byte) => !printable(byte))];
  let next = 256;
  const alphabet = ordered.map((byte) => String.fromCharCode(printable(byte) ? byte : next++));
  const merges = [' t', 'he', ' the', 'wo', 'rd', 'word', ' w', ' word', ' -'].map(textToByteCharacters);
  return [...alphabet, ...merges, ...specials];
}

const LANGUAGE_TOKENS = Object.keys(WHISPER_LANGUAGES).map((code) => `<|${code}|>`);
const TASKS = ['<|translate|>', '<|transcribe|>', '<|startoflm|>', '<|startofprev|>'];
const specialTokens = (languages: number, noSpeech: string): string[] => [
  '<|endoftext|>',
  '<|startoftranscript|>',
  ...LANGUAGE_TOKENS.slice(0, languages),
  ...TASKS,
  noSpeech,
  '<|notimestamps|>',
];
const tokens = tinyTokens(specialTokens(99, '<|nocaptions|>'));
const tiny = new WhisperTokenizer(tokens);

describe('WhisperTokenizer on a tiny vocabulary', () => {
  it('joins the pairs that were joined first in training', () => {
    expect(tiny.encode('the word')).toEqual(['t', 'he', 'Ġword'].map((token) => tokens.indexOf(token)));
    expect(tiny.encode(' the')).toEqual([tokens.indexOf('Ġthe')]);
    expect(tiny.encode('')).toEqual([]);
  });

  it('gives every text back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 60 }), (codePoints) => {
        const text = String.fromCodePoint(...codePoints);
        expect(tiny.decode(tiny.encode(text))).toBe(text.toWellFormed());
      }),
    );
  });

  it('splits any tokens into words that hold all of them, in order', () => {
    const anyToken = fc.integer({ min: 0, max: tiny.special.timestampBegin + 1500 });
    fc.assert(
      fc.property(fc.array(anyToken, { maxLength: 30 }), fc.constantFrom('en', 'zh'), (sequence, language) => {
        const words = tiny.splitToWords(sequence, language);
        expect(words.flatMap((word) => [...word.tokens])).toEqual(sequence);
        expect(words.every((word) => word.tokens.length > 0)).toBe(true);
      }),
    );
  });

  it('keeps a prompt that looks like a special token as text', () => {
    expect(tiny.encode('<|endoftext|>').every((token) => token < tiny.special.eot)).toBe(true);
  });

  it('splits at spaces, or at whole characters where a language has none', () => {
    const sequence = tiny.encode(' the word, 你好');
    expect(tiny.splitToWords(sequence, 'en').map(({ text }) => text)).toEqual([' the', ' word', ',', ' 你好']);
    expect(tiny.splitToWords(tiny.encode('你好 the'), 'zh').map(({ text }) => text)).toEqual(['你', '好', ' the']);
  });

  it('writes timestamps between texts and leaves other special tokens out', () => {
    const { timestampBegin, eot, sot } = tiny.special;
    const sequence = [sot, timestampBegin, ...tiny.encode(' the'), timestampBegin + 51, eot];
    expect(tiny.decodeWithTimestamps(sequence)).toBe('<|0.00|> the<|1.02|>');
    expect(tiny.decode(sequence)).toBe(' the');
  });

  it('writes U+FFFD for a character that was cut in two', () => {
    const sequence = tiny.encode('好');
    expect(tiny.decode(sequence.slice(0, 2))).toBe('\u{fffd}');
    expect(tiny.splitToWords(sequence.slice(0, 2), 'zh').flatMap((word) => [...word.tokens])).toEqual(
      sequence.slice(0, 2),
    );
  });

  it('finds the ids of 99 and of 100 languages', () => {
    const large = new WhisperTokenizer(tinyTokens(specialTokens(100, '<|nospeech|>')));
    expect(tiny.languageTokens.size).toBe(99);
    expect(large.languageTokens.size).toBe(100);
    expect(large.languageToken('yue')).toBe(large.special.sot + 100);
    expect(large.special.transcribe).toBe(tiny.special.transcribe + 1);
    expect(large.special.timestampBegin).toBe(tiny.special.timestampBegin + 1);
    expect(large.sotSequence('de', 'translate')).toEqual([
      large.special.sot,
      large.languageToken('de'),
      large.special.translate,
    ]);
    expect(() => tiny.languageToken('yue')).toThrow(/does not know Cantonese/);
  });

  it('prompts an English-only model with the start alone', () => {
    const padding = Array.from({ length: 50_256 - 265 }, (_, index) => `unused${index}`);
    const english = new WhisperTokenizer([...tinyTokens([]), ...padding, ...specialTokens(99, '<|nocaptions|>')]);
    expect(english.special.eot).toBe(50_256);
    expect(english.multilingual).toBe(false);
    expect(english.sotSequence('en', 'transcribe')).toEqual([english.special.sot]);
    expect(() => english.languageToken('de')).toThrow(/knows English only/);
    expect(() => english.requireTask('translate')).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => english.requireTask('transcribe')).not.toThrow();
  });
});

describe('loadTokenizer', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'diarist-tokenizer-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const write = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const eot = tokens.indexOf('<|endoftext|>');
  const ids = (from: number, to: number): Record<string, number> =>
    Object.fromEntries(tokens.slice(from, to).map((token, index) => [token, from + index]));

  it.each([
    ['vocabulary.txt', () => ({ vocabulary: write('vocabulary.txt', `${tokens.join('\n')}\n`) })],
    ['vocabulary.json', () => ({ vocabulary: write('vocabulary.json', tokens) })],
    [
      'tokenizer.json',
      () => ({
        tokenizer: write('tokenizer.json', {
          added_tokens: tokens.slice(eot).map((content, index) => ({ id: eot + index, content })),
          model: { type: 'BPE', vocab: ids(0, eot), merges: [] },
        }),
      }),
    ],
    [
      'vocab.json and added_tokens.json',
      () => ({
        vocabulary: write('vocab.json', ids(0, eot + 1)),
        addedTokens: write('added_tokens.json', ids(eot + 1, tokens.length)),
      }),
    ],
  ])('reads %s', (_name, files) => {
    const loaded = loadTokenizer(files());
    expect(loaded.special).toEqual(tiny.special);
    expect([...loaded.languageTokens]).toEqual([...tiny.languageTokens]);
    expect(loaded.encode(' the word')).toEqual(tiny.encode(' the word'));
    expect(loaded.decode(tiny.encode(' Grüße'))).toBe(' Grüße');
  });

  it('finds the files of a folder and reads the cheapest', () => {
    const own = mkdtempSync(join(folder, 'model-'));
    expect(() => findTokenizerFiles(own)).toThrow(/no tokenizer.json and no vocabulary/);
    writeFileSync(join(own, 'vocabulary.txt'), tokens.join('\n'));
    writeFileSync(join(own, 'tokenizer.json'), 'never read');
    const files = findTokenizerFiles(own);
    expect(files).toEqual({ tokenizer: join(own, 'tokenizer.json'), vocabulary: join(own, 'vocabulary.txt') });
    expect(loadTokenizer(files).special.eot).toBe(eot);
  });

  it.each([
    ['truncated JSON', 'tokenizer', '{"model": {"vocab": {"a": 0'],
    ['an id out of all bounds', 'tokenizer', { added_tokens: [], model: { vocab: { a: 1e12 } } }],
    ['another kind of JSON', 'vocabulary', { a: 'b' }],
    ['a vocabulary that is not of Whisper', 'vocabulary', ['a', 'b', '<|endoftext|>']],
    ['nothing at all', 'vocabulary', ''],
  ])('refuses %s', (name, kind, content) => {
    const path = write(`${name.replaceAll(' ', '-')}.json`, content);
    expect(codeOf(() => loadTokenizer({ [kind]: path }))).toBe('model_corrupt');
  });

  it('refuses a missing file and no file', () => {
    expect(codeOf(() => loadTokenizer({ vocabulary: join(folder, 'missing.txt') }))).toBe('model_corrupt');
    expect(codeOf(() => loadTokenizer({}))).toBe('model_corrupt');
  });
});

const model = findMultilingualModel();
if (!model) {
  console.log(
    'Skipped: parity on a real vocabulary. Set DIARIST_TEST_MODEL to the folder of a multilingual Whisper model.',
  );
}

describe.skipIf(!model)('WhisperTokenizer on the vocabulary of Whisper (99 languages)', () => {
  let real: WhisperTokenizer;
  beforeAll(() => {
    real = loadTokenizer(findTokenizerFiles(model ?? ''));
  });

  it('has the published ids', () => {
    expect(real.special).toEqual({
      eot: 50257,
      sot: 50258,
      translate: 50358,
      transcribe: 50359,
      sotLm: 50360,
      sotPrev: 50361,
      noSpeech: 50362,
      noTimestamps: 50363,
      timestampBegin: 50364,
    });
    expect([...real.languageTokens.keys()]).toEqual(Object.keys(WHISPER_LANGUAGES).slice(0, 99));
    expect(real.languageToken('su')).toBe(50357);
  });

  // Computed with tiktoken 0.14.0 and the `multilingual.tiktoken` of openai-whisper 20250625.
  it.each([
    [' The Glasgow Coma Scale, they said.', [440, 40457, 2432, 64, 42999, 11, 436, 848, 13]],
    ['Grüße aus Köln, daß es geht!', [20038, 774, 11451, 3437, 591, 13072, 77, 11, 1120, 2536, 785, 7095, 0]],
    ['今天天气很好。', [12074, 6135, 42204, 23801, 1543]],
    ['こんにちは、世界。', [38088, 1231, 24486, 1543]],
    ['สวัสดีครับ', [13715, 7643, 5981, 13715, 9345, 6033, 21916, 5981, 10196]],
    ['안녕하세요 세계', [49200, 12831, 15377, 40179]],
    ['Привет, как дела?', [43971, 31259, 11, 3014, 46157, 30]],
    ['नमस्ते दुनिया', [35082, 48521, 45938, 27099, 36158, 21981, 8485, 99, 8703, 223, 35082, 33279, 48268, 17937]],
    ['مرحبا بالعالم', [29973, 5016, 3555, 995, 20666, 3615, 45340]],
    [
      '👩\u{200d}👩\u{200d}👧\u{200d}👦 🎉',
      [31017, 102, 913, 235, 31017, 102, 913, 235, 31017, 100, 913, 235, 31017, 99, 19034, 231],
    ],
    [
      '  two  spaces\n\nand\ttabs\u{3000}wide\u{85}nel',
      [220, 732, 220, 7673, 198, 198, 474, 197, 83, 17243, 756, 222, 7990, 126, 227, 6396],
    ],
    ["don't DON'T 3.14 ½", [13966, 380, 20403, 6, 51, 805, 13, 7271, 32653]],
    ['<|endoftext|>', [27, 91, 3999, 844, 3828, 91, 29]],
  ])('encodes %j as openai-whisper does', (text, expected) => {
    expect(real.encode(text)).toEqual(expected);
    expect(real.decode(expected)).toBe(text);
  });

  it('suppresses what faster-whisper 1.2.1 does', () => {
    const suppressed = real.nonSpeechTokens();
    expect(suppressed).toHaveLength(82);
    expect(suppressed.slice(0, 12)).toEqual([1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29]);
    expect(suppressed.slice(-6)).toEqual([32470, 36865, 42863, 47425, 49870, 50254]);
  });

  it('splits as faster-whisper 1.2.1 does', () => {
    const spoken = [2425, 11, 220, 20270, 4179, 12, 546, 503, 13217, 82, 1, 522, 453, 3050];
    const words = real.splitToWords(spoken, 'en');
    expect(words.map(({ text }) => text)).toEqual([' Hello', ',', ' twenty', '-one', ' "worlds', '"', ' (ok).']);
    const chinese = real.splitToWords(real.encode('今天天气很好。'), 'zh');
    expect(chinese.map(({ text }) => text)).toEqual(['今天', '天', '气', '很好', '。']);
  });
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof DiaristError) return error.code;
    throw error;
  }
  return undefined;
}

function findMultilingualModel(): string | undefined {
  const given = process.env.DIARIST_TEST_MODEL;
  if (given) return given;
  const store = join(process.env.DIARIST_CACHE ?? join(homedir(), '.cache', 'diarist'), 'models');
  if (!existsSync(store)) return undefined;
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === 'vocabulary.txt')
    .map((entry) => entry.parentPath)
    .find((folder) => loadTokenizer(findTokenizerFiles(folder)).special.noTimestamps === 50363);
}
