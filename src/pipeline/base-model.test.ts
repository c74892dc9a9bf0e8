import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluationAudio } from '../audio/test-clips.ts';
import { editDistance } from '../core/edit-distance.ts';
import type { RecognitionTask, RecognizedWindow } from '../engine/asr/decoding/recognizer.ts';
import { AUDIO_CONTEXT, HEAD_WIDTH } from '../engine/asr/graphs/shape.ts';
import { openWhisper, type WhisperBundle } from '../engine/asr/whisper.ts';
import { scratchFolder } from '../inference/fixtures/scratch-folder.ts';
import { openSession, Tensor } from '../inference/session.ts';
import { ModelStore } from '../models/store.ts';
import { planEngine } from './engine-plan.ts';
import { REFERENCE_CROSS_ATTENTION, REFERENCE_TEXTS } from './fixtures/base-reference.ts';
import { readAudio, starterModels } from './fixtures/starter-models.ts';

const audioFolder = evaluationAudio();
const cacheDir = await starterModels();
const clip = (path: string): Float32Array => readAudio(join(audioFolder!, path));
const SESSION = { provider: 'cpu', threads: 1, arena: false } as const;

/** More speech, so that batches hold windows of many lengths and languages. */
const COMPANY = [
  ['asr/it/leopard_it.flac', 'it'],
  ['asr/ja/leopard_ja.flac', 'ja'],
] as const;

/** Opens the model that the store holds; its graphs are looked for, or written, in `graphs`. */
async function bundleOf(computeType: 'int8' | 'float32', graphs: string): Promise<WhisperBundle> {
  const settings = { model: 'base', device: 'cpu', computeType, threads: 1, batchSize: 8, dataDir: tmpdir() } as const;
  const store = new ModelStore({ cacheDir: cacheDir! });
  return (await planEngine({ ...settings, cacheDir: graphs }, store, 'cpu')).setup.whisper;
}

function task(audio: Float32Array, language: string, beams: number): RecognitionTask {
  return { audio: () => audio, language, task: 'transcribe', beams, attention: false };
}

describe.skipIf(audioFolder === undefined || cacheDir === undefined)('Whisper base', { timeout: 300_000 }, () => {
  describe('in float32', () => {
    // Nobody else uses these graphs, which are large.
    const graphs = scratchFolder();
    let bundle: WhisperBundle;
    let whisper: Awaited<ReturnType<typeof openWhisper>>;
    beforeAll(async () => {
      bundle = await bundleOf('float32', graphs.path);
      whisper = await openWhisper(bundle, { ...SESSION, capacity: 3 });
    }, 120_000);
    afterAll(async () => {
      await whisper?.release();
      graphs[Symbol.dispose]();
    });

    it('hears what the reference hears', async () => {
      const audio = clip(REFERENCE_TEXTS[0].clip);
      const encoder = await openSession(join(bundle.folder, 'encoder.onnx'), { ...SESSION, optimize: false });
      const samples = new Float32Array(480_400);
      samples.set(audio, 200);
      for (let i = 1; i <= 200; i++) samples[200 - i] = audio[i]!;
      const outputs = await encoder.run({
        samples: new Tensor('float32', samples, [1, 1, samples.length]),
        frames: new Tensor('float32', Float32Array.of(Math.floor(audio.length / 160)), [1]),
      });
      for (const { layer, keyLevel, valueLevel, cells } of REFERENCE_CROSS_ATTENTION) {
        const keys = outputs[`cross_key_${layer}`]!.data as Float32Array;
        const values = outputs[`cross_value_${layer}`]!.data as Float32Array;
        let keyError = 0;
        let valueError = 0;
        for (const [position, head, channel, key, value] of cells) {
          keyError += (keys[(head * HEAD_WIDTH + channel) * AUDIO_CONTEXT + position]! - key) ** 2;
          valueError += (values[(head * AUDIO_CONTEXT + position) * HEAD_WIDTH + channel]! - value) ** 2;
        }
        expect(Math.sqrt(keyError / cells.length) / keyLevel).toBeLessThan(1e-4);
        expect(Math.sqrt(valueError / cells.length) / valueLevel).toBeLessThan(1e-4);
      }
      await encoder.release();
    });

    it.each([1, 5])('writes the reference’s tokens with %i hypotheses', async (beams) => {
      const results = await Promise.all(
        REFERENCE_TEXTS.map(({ clip: path, language }) =>
          whisper.recognizer.recognize(task(clip(path), language, beams)),
        ),
      );
      results.forEach((result, index) => {
        const { clip: path, greedy, beam, meanLogprob, noSpeech } = REFERENCE_TEXTS[index]!;
        expect(result.tokens, path).toEqual(beams === 1 ? greedy : beam);
        // The reference leaves timestamps among the tokens that share the probability, ours does not.
        expect(result.avgLogprob).toBeCloseTo(meanLogprob[beams === 1 ? 0 : 1], 2);
        expect(result.noSpeechProb).toBeCloseTo(noSpeech, 3);
        expect(result.temperature).toBe(0);
      });
    });
  });

  describe('in int8', () => {
    let whisper: Awaited<ReturnType<typeof openWhisper>>;
    let tasks: (beams: number) => RecognitionTask[];
    beforeAll(async () => {
      whisper = await openWhisper(await bundleOf('int8', cacheDir!), { ...SESSION, capacity: 8 });
      const clips = [...REFERENCE_TEXTS.map(({ clip: path, language }) => [path, language] as const), ...COMPANY];
      const heard = clips.map(([path, language]) => [clip(path), language] as const);
      tasks = (beams) => heard.map(([audio, language]) => task(audio, language, beams));
    }, 120_000);
    afterAll(() => whisper?.release());

    it.each([1, 5])('says the same alone and in a batch with %i hypotheses', async (beams) => {
      const alone: RecognizedWindow[] = [];
      for (const each of tasks(beams)) alone.push(await whisper.recognizer.recognize(each));
      const together = await Promise.all(tasks(beams).map((each) => whisper.recognizer.recognize(each)));
      expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
      // int8 costs little: few tokens are others than in float32. Which ones they are depends on the processor, for the
      // sums around the integer products round as its instructions do.
      let [tokens, changed] = [0, 0];
      for (const [index, { greedy, beam }] of REFERENCE_TEXTS.entries()) {
        const reference = beams === 1 ? greedy : beam;
        tokens += reference.length;
        changed += editDistance(reference, alone[index]!.tokens);
      }
      expect(changed / tokens).toBeLessThan(0.15);
    });

    it('hears which language is spoken', async () => {
      for (const [index, { language }] of REFERENCE_TEXTS.slice(0, 4).entries()) {
        const detect = (probabilities: ReadonlyMap<string, number>) =>
          [...probabilities].reduce((best, each) => (each[1] > best[1] ? each : best))[0];
        const result = await whisper.recognizer.recognize({ ...tasks(1)[index]!, language: detect });
        expect(result.language).toBe(language);
        expect(result.languageProbability).toBeGreaterThan(0.5);
      }
    });
  });
});
