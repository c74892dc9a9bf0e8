import { expect, test } from 'vitest';
import {
  defaultAlignmentHeads,
  defaultSuppressTokens,
  defaultSuppressTokensAtBegin,
  sizeOfShape,
} from './whisper-defaults.ts';

const shape = (decoderLayers: number, width: number, mels = 80, vocabulary = 51_865) => ({
  decoderLayers,
  width,
  mels,
  vocabulary,
});

test.each([
  [shape(4, 384), 'x', 'tiny'],
  [shape(4, 384, 80, 51_864), 'x', 'tiny.en'],
  [shape(6, 512), 'x', 'base'],
  [shape(12, 768, 80, 51_864), 'x', 'small.en'],
  [shape(24, 1024), 'x', 'medium'],
  [shape(32, 1280), 'large-v1', 'large-v1'],
  [shape(32, 1280), 'my-large', 'large-v2'],
  [shape(32, 1280, 128, 51_866), 'x', 'large-v3'],
  [shape(4, 1280, 128, 51_866), 'x', 'large-v3-turbo'],
  [shape(2, 1280, 128, 51_866), 'distil-large-v3', undefined],
])('size of %j named %s is %s', (dims, name, expected) => {
  expect(sizeOfShape(dims, name)).toBe(expected);
});

test('alignment heads of base are those of its published config.json', () => {
  const base = [
    [3, 1],
    [4, 2],
    [4, 3],
    [4, 7],
    [5, 1],
    [5, 2],
    [5, 4],
    [5, 6],
  ];
  expect(defaultAlignmentHeads(shape(6, 512), 8, 'x')).toEqual(base);
  expect(defaultAlignmentHeads(shape(2, 1280), 3, 'x')).toEqual([
    [1, 0],
    [1, 1],
    [1, 2],
  ]);
});

test('special tokens to suppress follow the vocabulary: 99 languages, 100, or English only', () => {
  // The published suppress_ids end so: base; large-v3 (one language more); base.en.
  expect(defaultSuppressTokens(51_865).slice(-7)).toEqual([50_254, 50_258, 50_358, 50_359, 50_360, 50_361, 50_362]);
  expect(defaultSuppressTokens(51_866).slice(-7)).toEqual([50_254, 50_258, 50_359, 50_360, 50_361, 50_362, 50_363]);
  expect(defaultSuppressTokens(51_864).slice(-7)).toEqual([49_146, 50_257, 50_357, 50_358, 50_359, 50_360, 50_361]);
  expect(defaultSuppressTokensAtBegin(51_865)).toEqual([220, 50_257]);
  expect(defaultSuppressTokensAtBegin(51_864)).toEqual([220, 50_256]);
});
