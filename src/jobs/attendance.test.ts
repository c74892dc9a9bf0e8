import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Attendance } from './attendance.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function attendanceWithGrace(graceSeconds: number): { attendance: Attendance; deserted: string[] } {
  const deserted: string[] = [];
  return { attendance: new Attendance(graceSeconds, (id) => deserted.push(id)), deserted };
}

it('holds a job for whoever joined it within the grace, and for no longer than it takes to come', () => {
  const { attendance, deserted } = attendanceWithGrace(1);
  attendance.attend('job')();
  vi.advanceTimersByTime(999);
  attendance.expectArrival('job');
  vi.advanceTimersByTime(4999);
  expect(deserted).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(deserted).toEqual(['job']);
  vi.advanceTimersByTime(60_000);
  expect(deserted).toEqual(['job']);
});

it('begins a grace that is longer than that anew', () => {
  const { attendance, deserted } = attendanceWithGrace(30);
  attendance.attend('job')();
  vi.advanceTimersByTime(29_000);
  attendance.expectArrival('job');
  vi.advanceTimersByTime(29_000);
  expect(deserted).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(deserted).toEqual(['job']);
});

it('starts no grace for a job that somebody attends, or that nobody ever did', () => {
  const { attendance, deserted } = attendanceWithGrace(1);
  const leave = attendance.attend('attended');
  attendance.expectArrival('attended');
  attendance.expectArrival('new');
  vi.advanceTimersByTime(60_000);
  expect(deserted).toEqual([]);
  leave();
  vi.advanceTimersByTime(1000);
  expect(deserted).toEqual(['attended']);
});
