/** Shape of a Whisper model, in the terms its defaults are known by. */
export interface WhisperShape {
  readonly mels: number;
  readonly width: number;
  readonly decoderLayers: number;
  readonly vocabulary: number;
}

export type AlignmentHead = readonly [layer: number, head: number];

/** Vocabulary size from which a Whisper model is multilingual (openai/whisper, model.py `is_multilingual`). */
export const MULTILINGUAL_VOCABULARY = 51_865;

const ENGLISH = '.en';

/**
 * Cross-attention heads that follow the audio, as `layer.head`, by size. Source: openai/whisper `_ALIGNMENT_HEADS`, as
 * listed in ctranslate2/converters/transformers.py; turbo from its generation_config.json.
 */
const ALIGNMENT_HEADS: Readonly<Record<string, string>> = {
  'tiny.en': '1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4',
  tiny: '2.2 3.0 3.2 3.3 3.4 3.5',
  'base.en': '3.3 4.7 5.1 5.5 5.7',
  base: '3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6',
  'small.en': '6.6 7.0 7.3 7.8 8.2 8.5 8.7 9.0 9.4 9.8 9.10 10.0 10.1 10.2 10.3 10.6 10.11 11.2 11.4',
  small: '5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5',
  'medium.en': '11.4 14.1 14.12 14.14 15.4 16.0 16.4 16.9 17.12 17.14 18.7 18.10 18.15 20.0 20.3 20.9 20.14 21.12',
  medium: '13.15 15.4 15.15 16.1 20.0 23.4',
  'large-v1': '9.19 11.2 11.4 11.17 22.7 22.11 22.17 23.2 23.15',
  'large-v2':
    '10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 22.9 22.12 23.5 23.7 23.13 25.5 26.1 26.12 27.15',
  'large-v3': '7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6',
  'large-v3-turbo': '2.4 2.11 3.3 3.6 3.11 3.14',
};

/** Sizes by `decoderLayers x width`, before the mel count tells the large ones apart. */
const SIZE_OF_SHAPE: Readonly<Record<string, string>> = {
  '4x384': 'tiny',
  '6x512': 'base',
  '12x768': 'small',
  '24x1024': 'medium',
};

/** Name of the original size that has this shape, e.g. `base.en`; undefined for distilled and made-up shapes. */
export function sizeOfShape(shape: WhisperShape, modelName: string): string | undefined {
  if (shape.width === 1280 && shape.decoderLayers === 32) {
    if (shape.mels === 128) return 'large-v3';
    return modelName.includes('large-v1') ? 'large-v1' : 'large-v2';
  }
  if (shape.width === 1280 && shape.decoderLayers === 4) return 'large-v3-turbo';
  const size = SIZE_OF_SHAPE[`${shape.decoderLayers}x${shape.width}`];
  if (size === undefined) return undefined;
  return shape.vocabulary < MULTILINGUAL_VOCABULARY ? size + ENGLISH : size;
}

/**
 * Alignment heads of a model that does not state its own: those of its size, else every head of the last half of the
 * decoder layers, which is what ctranslate2's converter falls back to.
 */
export function defaultAlignmentHeads(shape: WhisperShape, heads: number, modelName: string): readonly AlignmentHead[] {
  const size = sizeOfShape(shape, modelName);
  const known = size === undefined ? undefined : ALIGNMENT_HEADS[size];
  if (known !== undefined) {
    return known.split(' ').map((pair) => pair.split('.').map(Number) as [number, number]);
  }
  const all: AlignmentHead[] = [];
  for (let layer = Math.floor(shape.decoderLayers / 2); layer < shape.decoderLayers; layer++) {
    for (let head = 0; head < heads; head++) all.push([layer, head]);
  }
  return all;
}

/**
 * Text tokens that stand for no speech (brackets, notes, symbols). Source: openai/whisper tokenizer
 * `non_speech_tokens`, as listed in transformers/models/whisper/configuration_whisper.py.
 */
const NON_SPEECH_MULTILINGUAL: readonly number[] = [
  1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 359, 503, 522, 542, 873, 893,
  902, 918, 922, 931, 1350, 1853, 1982, 2460, 2627, 3246, 3253, 3268, 3536, 3846, 3961, 4183, 4667, 6585, 6647, 7273,
  9061, 9383, 10428, 10929, 11938, 12033, 12331, 12562, 13793, 14157, 14635, 15265, 15618, 16553, 16604, 18362, 18956,
  20075, 21675, 22520, 26130, 26161, 26435, 28279, 29464, 31650, 32302, 32470, 36865, 42863, 47425, 49870, 50254,
];
const NON_SPEECH_ENGLISH: readonly number[] = [
  1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 357, 366, 438, 532, 685, 705,
  796, 930, 1058, 1220, 1267, 1279, 1303, 1343, 1377, 1391, 1635, 1782, 1875, 2162, 2361, 2488, 3467, 4008, 4211, 4600,
  4808, 5299, 5855, 6329, 7203, 9609, 9959, 10563, 10786, 11420, 11709, 11907, 13163, 13697, 13700, 14808, 15306, 16410,
  16791, 17992, 19203, 19510, 20724, 22305, 22935, 27007, 30109, 30420, 33409, 34949, 40283, 40493, 40549, 47282, 49146,
];
const SPACE_TOKEN = 220;
const END_OF_TEXT_ENGLISH = 50_256;
/** end of text, start of transcript, six tasks and 1,501 timestamps surround the languages in the special tokens. */
const SPECIAL_TOKENS_WITHOUT_LANGUAGES = 1_509;

/**
 * Tokens that are never to be decoded: non-speech text, start of transcript, and translate, transcribe, startoflm,
 * startofprev and nospeech. Source: faster_whisper/transcribe.py `get_suppressed_tokens`.
 */
export function defaultSuppressTokens(vocabulary: number): readonly number[] {
  const multilingual = vocabulary >= MULTILINGUAL_VOCABULARY;
  const endOfText = multilingual ? END_OF_TEXT_ENGLISH + 1 : END_OF_TEXT_ENGLISH;
  const startOfTranscript = endOfText + 1;
  const languages = vocabulary - endOfText - SPECIAL_TOKENS_WITHOUT_LANGUAGES;
  const translate = startOfTranscript + 1 + languages;
  const tasks = [0, 1, 2, 3, 4].map((step) => translate + step);
  const text = multilingual ? NON_SPEECH_MULTILINGUAL : NON_SPEECH_ENGLISH;
  // Made-up vocabularies are too small for all of them.
  return [...text, startOfTranscript, ...tasks].filter((token) => token >= 0 && token < vocabulary);
}

/** Tokens that a segment never starts with: a lone space, and the end of text. */
export function defaultSuppressTokensAtBegin(vocabulary: number): readonly number[] {
  const endOfText = vocabulary >= MULTILINGUAL_VOCABULARY ? END_OF_TEXT_ENGLISH + 1 : END_OF_TEXT_ENGLISH;
  return [SPACE_TOKEN, endOfText].filter((token) => token < vocabulary);
}
