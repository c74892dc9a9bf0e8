import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Downmixer, toInt16 } from './downmix.ts';
import { testSignal } from './test-signal.ts';

const RATE = 16_000;

function mix(channels: readonly Float32Array[], pieces = 1000): Float32Array {
  const frames = channels[0]!.length;
  const interleaved = new Float32Array(frames * channels.length);
  channels.forEach((channel, c) => {
    channel.forEach((value, i) => {
      interleaved[i * channels.length + c] = value;
    });
  });
  const mixer = new Downmixer(channels.length, RATE);
  const parts: number[] = [];
  const step = pieces * channels.length;
  for (let at = 0; at < interleaved.length; at += step) parts.push(...mixer.push(interleaved.subarray(at, at + step)));
  parts.push(...mixer.flush());
  return Float32Array.from(parts);
}

const level = (samples: Float32Array) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
const voice = testSignal(32_000);
const otherVoice = Float32Array.from(voice, (_, i) => 0.2 * Math.sin(i * 0.31) * (1 + Math.sin(i * 0.0007)));
const silence = new Float32Array(32_000);

describe('the mix of several channels', () => {
  it('is the mean of equal channels', () => {
    const mixed = mix([voice, voice]);
    expect(mixed.length).toBe(voice.length);
    expect(Math.max(...mixed.map((value, i) => Math.abs(value - voice[i]!)))).toBeLessThan(1e-5);
  });

  it.each([2, 8, 24])('keeps the level of a voice that is on one of %i channels', (count) => {
    const channels = Array.from({ length: count }, (_, c) => (c === count - 1 ? voice : silence));
    expect(level(mix(channels)) / level(voice)).toBeCloseTo(1, 3);
  });

  it('does not cancel a pair wired out of phase', () => {
    const mixed = mix([voice, voice.map((value) => -value)]);
    expect(level(mixed) / level(voice)).toBeCloseTo(1, 3);
  });

  it('keeps an inverted pair upright when the quieter channel is the inverted one', () => {
    const mixed = mix([voice, voice.map((value) => -0.8 * value)]);
    const product = mixed.reduce((sum, value, i) => sum + value * voice[i]!, 0);
    expect(product).toBeGreaterThan(0);
    expect(level(mixed) / level(voice)).toBeCloseTo(1, 2);
  });

  it('lowers two independent voices by some 3 dB, not more', () => {
    const mixed = mix([voice, otherVoice]);
    const loudest = Math.max(level(voice), level(otherVoice));
    expect(level(mixed) / loudest).toBeGreaterThan(0.95);
    const product = (own: Float32Array) =>
      mixed.reduce((sum, x, i) => sum + x * own[i]!, 0) / (level(own) ** 2 * own.length);
    expect(product(voice)).toBeGreaterThan(0.65);
    expect(product(otherVoice)).toBeGreaterThan(0.65);
  });

  it('follows a voice that moves from one channel to the other', () => {
    const half = voice.length / 2;
    const left = voice.map((value, i) => (i < half ? value : 0));
    const right = voice.map((value, i) => (i < half ? 0 : value));
    const mixed = mix([left, right]);
    const ratio = (from: number, to: number) => level(mixed.subarray(from, to)) / level(voice.subarray(from, to));
    expect(ratio(0, half)).toBeCloseTo(1, 3);
    expect(ratio(half, 2 * half)).toBeGreaterThan(0.7);
  });

  it('does not depend on how the samples are cut, and keeps their number', () => {
    const whole = mix([voice, otherVoice], voice.length);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (pieces) => {
        expect(mix([voice, otherVoice], pieces)).toEqual(whole);
      }),
      { numRuns: 10 },
    );
  });

  it('has no steps: a block never begins where the last one did not end', () => {
    const tone = Float32Array.from({ length: 32_000 }, (_, i) => 0.3 * Math.sin(i * 0.02));
    const late = tone.map((value, i) => value * Math.max(0, Math.min(1, (i - 16_000) / 1600)));
    const mixed = mix([tone, late]);
    const steps = mixed.subarray(1).map((value, i) => Math.abs(value - mixed[i]!));
    expect(Math.max(...steps)).toBeLessThan(0.3 * 0.02 * 2);
  });
});

it('clips to 16 bit instead of wrapping around', () => {
  expect([...toInt16(Float32Array.of(1.5, -1.5, 0.5, 0), 1)]).toEqual([32_767, -32_768, 16_384, 0]);
});
