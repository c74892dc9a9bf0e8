/**
 * One-to-one assignment of rows to columns with the least total cost (Hungarian algorithm with potentials, O(n^3)).
 * `cost[row][column]` may have any shape; with more rows than columns some rows stay unassigned (-1).
 * Source: R. Jonker, A. Volgenant, A shortest augmenting path algorithm, 1987.
 */
export function assign(cost: readonly (readonly number[])[]): number[] {
  const rows = cost.length;
  const columns = cost[0]?.length ?? 0;
  if (rows === 0 || columns === 0) return new Array<number>(rows).fill(-1);
  if (rows > columns) return invert(assign(transpose(cost)), rows);
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOfColumn = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const previous = new Int32Array(columns + 1);
    const shortest = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const done = new Uint8Array(columns + 1);
    let column = 0;
    rowOfColumn[0] = row;
    do {
      done[column] = 1;
      const at = rowOfColumn[column]!;
      let delta = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (done[j] === 1) continue;
        const reduced = cost[at - 1]![j - 1]! - rowPotential[at]! - columnPotential[j]!;
        if (reduced < shortest[j]!) {
          shortest[j] = reduced;
          previous[j] = column;
        }
        if (shortest[j]! < delta) {
          delta = shortest[j]!;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (done[j] === 1) {
          rowPotential[rowOfColumn[j]!]! += delta;
          columnPotential[j]! -= delta;
        } else {
          shortest[j]! -= delta;
        }
      }
      column = next;
    } while (rowOfColumn[column] !== 0);
    while (column !== 0) {
      const before = previous[column]!;
      rowOfColumn[column] = rowOfColumn[before]!;
      column = before;
    }
  }
  const assigned = new Array<number>(rows).fill(-1);
  for (let j = 1; j <= columns; j++) {
    if (rowOfColumn[j]! > 0) assigned[rowOfColumn[j]! - 1] = j - 1;
  }
  return assigned;
}

function transpose(cost: readonly (readonly number[])[]): number[][] {
  return cost[0]!.map((_, column) => cost.map((row) => row[column]!));
}

function invert(rowOfColumn: readonly number[], rows: number): number[] {
  const assigned = new Array<number>(rows).fill(-1);
  for (const [column, row] of rowOfColumn.entries()) if (row >= 0) assigned[row] = column;
  return assigned;
}
