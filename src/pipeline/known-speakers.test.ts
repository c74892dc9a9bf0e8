import { expect, it } from 'vitest';
import type { Diarization } from '../engine/diarization/diarize.ts';
import { EMBEDDING_SIZE } from '../engine/diarization/embedding-graph.ts';
import { assertEmbeddings, nameSpeakers } from './known-speakers.ts';

/** A unit vector that has the given cosines with the first axes. */
function voice(...cosines: number[]): number[] {
  const vector = new Array<number>(EMBEDDING_SIZE).fill(0);
  cosines.forEach((value, axis) => {
    vector[axis] = value;
  });
  vector[EMBEDDING_SIZE - 1] = Math.sqrt(1 - cosines.reduce((sum, value) => sum + value ** 2, 0));
  return vector;
}

function talk(...embeddings: (number[] | undefined)[]): Diarization {
  const labels = embeddings.map((_, i) => `SPEAKER_0${i}`);
  const turns = labels.map((speaker, i) => ({ start: i, end: i + 1, speaker }));
  const speakers = embeddings.map((embedding, i) => ({
    label: labels[i]!,
    seconds: 1,
    ...(embedding === undefined ? {} : { embedding }),
  }));
  return { turns, exclusive: turns, speakers, warnings: [] };
}

const ANNA = { name: 'Anna', embedding: voice(1) };
const BERT = { name: 'Bert', embedding: voice(0, 1) };
const labels = ({ speakers }: Diarization) => speakers.map(({ label }) => label);

it('names who is known, wherever the label stands, and leaves strangers as they are', () => {
  const named = nameSpeakers(talk(voice(0.1, 0.2), voice(0.1, 0.8), undefined), [ANNA, BERT]);
  expect(labels(named)).toEqual(['SPEAKER_00', 'Bert', 'SPEAKER_02']);
  expect(named.turns.map(({ speaker }) => speaker)).toEqual(['SPEAKER_00', 'Bert', 'SPEAKER_02']);
  expect(named.exclusive.map(({ speaker }) => speaker)).toEqual(['SPEAKER_00', 'Bert', 'SPEAKER_02']);
  expect(named.speakers[1]!.similarity).toBeCloseTo(0.8, 6);
  expect(named.speakers[0]).not.toHaveProperty('similarity');
});

it('gives a name to one speaker only: the one most like it, the other takes what is left', () => {
  const both = nameSpeakers(talk(voice(0.7, 0.6), voice(0.75, 0.1)), [ANNA, BERT]);
  expect(labels(both)).toEqual(['Bert', 'Anna']);
  expect(labels(nameSpeakers(talk(voice(0.7), voice(0.75)), [ANNA]))).toEqual(['SPEAKER_00', 'Anna']);
});

it('takes the most alike of several voices of one name', () => {
  const voices = [ANNA, { name: 'Anna', embedding: voice(0, 0, 1) }];
  const named = nameSpeakers(talk(voice(0.55, 0, 0.7)), voices);
  expect(labels(named)).toEqual(['Anna']);
  expect(named.speakers[0]!.similarity).toBeCloseTo(0.7, 6);
});

it('never puts a stranger under a name, also where the name looks like a label', () => {
  const named = nameSpeakers(talk(voice(0.9), voice(0.2)), [{ name: 'SPEAKER_01', embedding: voice(1) }]);
  expect(labels(named)).toEqual(['SPEAKER_01', 'SPEAKER_02']);
  expect(named.turns.map(({ speaker }) => speaker)).toEqual(['SPEAKER_01', 'SPEAKER_02']);
});

it.each([
  ['too short', [1, 0]],
  ['nothing', new Array<number>(EMBEDDING_SIZE).fill(0)],
  ['no numbers', new Array<number>(EMBEDDING_SIZE).fill(Number.NaN)],
])('refuses an embedding that is %s, by the name of its voice', (_, embedding) => {
  expect(() => assertEmbeddings([{ name: 'Anna', embedding }])).toThrow(/"Anna"/);
});
