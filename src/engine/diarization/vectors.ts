import { EMBEDDING_SIZE } from './embedding-graph.ts';

/** Rows of {@link EMBEDDING_SIZE} numbers, back to back. */
export type Rows = Float32Array;

/** Inner product of row `i` of `a` and row `j` of `b`. */
export function rowDot(a: Rows, i: number, b: Rows, j: number): number {
  let x = i * EMBEDDING_SIZE;
  let y = j * EMBEDDING_SIZE;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  // Four sums, so that an addition need not wait for the one before it.
  for (const end = x + EMBEDDING_SIZE; x < end; x += 4, y += 4) {
    s0 += a[x]! * b[y]!;
    s1 += a[x + 1]! * b[y + 1]!;
    s2 += a[x + 2]! * b[y + 2]!;
    s3 += a[x + 3]! * b[y + 3]!;
  }
  return s0 + s1 + s2 + s3;
}

/** Adds `weight` times row `j` of `source` to row `i` of `target`. */
export function addRow(target: Rows, i: number, source: Rows, j: number, weight: number): void {
  const to = i * EMBEDDING_SIZE;
  const from = j * EMBEDDING_SIZE;
  for (let d = 0; d < EMBEDDING_SIZE; d++) target[to + d]! += weight * source[from + d]!;
}

export function scaleRow(rows: Rows, i: number, factor: number): void {
  const from = i * EMBEDDING_SIZE;
  for (let d = from; d < from + EMBEDDING_SIZE; d++) rows[d]! *= factor;
}

/** Makes a row unit length; a row of zeros stays. */
export function normalizeRow(rows: Rows, i: number): void {
  const length = Math.sqrt(rowDot(rows, i, rows, i));
  if (length > 0) scaleRow(rows, i, 1 / length);
}

/** Unit-length copies of all rows. */
export function normalizedRows(rows: Rows): Rows {
  const copy = rows.slice();
  for (let i = 0; i < rowCount(copy); i++) normalizeRow(copy, i);
  return copy;
}

export const rowCount = (rows: Rows): number => rows.length / EMBEDDING_SIZE;
export const makeRows = (count: number): Rows => new Float32Array(count * EMBEDDING_SIZE);
export const rowOf = (rows: Rows, i: number): Float32Array =>
  rows.subarray(i * EMBEDDING_SIZE, (i + 1) * EMBEDDING_SIZE);
