import { describe, expect, it } from 'vitest';
import { endsClause, endsSentence } from './sentences.ts';

describe('endsSentence', () => {
  it.each([
    ['home.', 'Then', true],
    ['home.”', 'Then', true],
    ['really?', 'Yes', true],
    ['好。', '我', true],
    ['done.', undefined, true],
    ['Mr.', 'Smith', false],
    ['J.', 'Smith', false],
    ['I.', 'Okay', true],
    ['e.g.', 'this', false],
    ['wait...', 'what', false],
    ['no', 'Then', false],
  ])('%s before %s: %s', (word, next, expected) => {
    expect(endsSentence(word, next)).toBe(expected);
  });
});

describe('endsClause', () => {
  it('sees commas of several scripts', () => {
    expect(['well,', '预算，', 'then:', 'budget'].map(endsClause)).toEqual([true, true, true, false]);
  });
});
