/**
 * A signal for pinned numeric tests: noise under a slow triangular envelope plus a sawtooth, made with integers only, so
 * that any language computes the same samples. Mono, 16 kHz, [-1, 1), `count` samples.
 */
export function testSignal(count: number): Float32Array {
  const samples = new Float32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    // The linear congruential generator of ANSI C, modulo 2^31.
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    const noise = (state >> 15) - 32_768;
    const envelope = Math.abs((i % 8000) - 4000);
    const sawtooth = ((i * 37) % 211) - 105;
    const value = Math.floor((noise * envelope) / 20_000) + sawtooth * 40;
    samples[i] = Math.max(-32_768, Math.min(32_767, value)) / 32_768;
  }
  return samples;
}
