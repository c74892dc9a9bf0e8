import type { WeightDtype } from '../../core/tensors.ts';

/** Bytes of one element of each stored type. */
export const DTYPE_BYTES: Readonly<Record<WeightDtype, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uint8: 1,
  bool: 1,
};

let halfTable: Float32Array | undefined;

/** float32 value of every IEEE 754 binary16 bit pattern, `[65536]`. */
function halfValues(): Float32Array {
  if (halfTable !== undefined) return halfTable;
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    if (exponent === 0) table[bits] = sign * mantissa * 2 ** -24;
    else if (exponent === 31) table[bits] = mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else table[bits] = sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  halfTable = table;
  return table;
}

function widenHalf(bits: Uint16Array): Float32Array {
  const table = halfValues();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
  return out;
}

/** bfloat16 is the upper half of a float32. */
function widenBrainFloat(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}

/** Stored little-endian elements as float32; int64 and float64 lose what float32 cannot hold. */
export function widen(bytes: Uint8Array<ArrayBuffer>, dtype: WeightDtype): Float32Array {
  // Typed arrays need an aligned start, which a slice of a file need not have.
  const { buffer } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const offset = bytes.byteOffset % 8 === 0 ? bytes.byteOffset : 0;
  const count = bytes.length / DTYPE_BYTES[dtype];
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, offset, count);
    case 'float16':
      return widenHalf(new Uint16Array(buffer, offset, count));
    case 'bfloat16':
      return widenBrainFloat(new Uint16Array(buffer, offset, count));
    case 'int8':
      return Float32Array.from(new Int8Array(buffer, offset, count));
    case 'int16':
      return Float32Array.from(new Int16Array(buffer, offset, count));
    case 'int32':
      return Float32Array.from(new Int32Array(buffer, offset, count));
    case 'int64':
      return Float32Array.from(new BigInt64Array(buffer, offset, count), Number);
    case 'float64':
      return Float32Array.from(new Float64Array(buffer, offset, count));
    case 'uint8':
    case 'bool':
      return Float32Array.from(bytes);
  }
}
