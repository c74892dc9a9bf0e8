import { describe, expect, it } from 'vitest';
import type { Job } from '../../../jobs/types.ts';
import { defaultJobOptions } from '../../webservice-options.ts';
import { deliveriesView, jobView } from './job-view.ts';
import { deliveriesSchema, jobSchema } from './schemas.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0);

const queued: Job = {
  id: 'job_1',
  state: 'queued',
  client: 'anonymous',
  dialect: 'jobs',
  priority: 'normal',
  name: 'meeting.mp3',
  bytes: 1000,
  sha256: 'ab',
  options: { ...defaultJobOptions('base'), speakers: 2, format: 's16le', language: 'de' },
  durable: true,
  createdAt: NOW,
  progress: 0,
  attempts: 0,
};

describe('jobView', () => {
  it('shows where a queued job stands, and its options by the names they are asked for with', () => {
    const view = jobView(queued, { position: 3, etaSeconds: 40 }, NOW);
    expect(view).toEqual({
      id: 'job_1',
      state: 'queued',
      progress: 0,
      queuePosition: 3,
      etaSeconds: 40,
      dialect: 'jobs',
      priority: 'normal',
      name: 'meeting.mp3',
      bytes: 1000,
      attempts: 0,
      options: {
        model: 'base',
        task: 'transcribe',
        language: 'de',
        word_timestamps: true,
        diarize: true,
        num_speakers: 2,
        return_speaker_embeddings: false,
        strict: false,
        encode: false,
      },
      createdAt: '2026-11-21T09:30:00.000Z',
    });
    expect(jobSchema.parse(view)).toEqual(view);
  });

  it('judges the rest of a running job by what is done, once that says something', () => {
    const running: Job = {
      ...queued,
      state: 'running',
      startedAt: NOW,
      stage: 'transcribe',
      progress: 0.25,
      attempts: 1,
    };
    expect(jobView(running, undefined, NOW + 10_000)).toMatchObject({ stage: 'transcribe', etaSeconds: 30 });
    expect(jobView(running, { position: 0 }, NOW)).not.toHaveProperty('queuePosition');
    expect(jobView({ ...running, progress: 0.01 }, undefined, NOW + 10_000)).not.toHaveProperty('etaSeconds');
  });

  it('shows neither the client nor the hash of the recording', () => {
    expect(Object.keys(jobView(queued, undefined, NOW))).not.toEqual(expect.arrayContaining(['client']));
    expect(Object.keys(jobView(queued, undefined, NOW))).not.toEqual(expect.arrayContaining(['sha256']));
  });

  it('says why a job has no result', () => {
    const failed: Job = {
      ...queued,
      state: 'failed',
      startedAt: NOW,
      finishedAt: NOW + 1,
      expiresAt: NOW + 2,
      error: { code: 'input_undecodable', message: 'No.' },
    };
    const view = jobView(failed, undefined, NOW);
    expect(view).toMatchObject({ state: 'failed', error: { code: 'input_undecodable', message: 'No.' } });
    expect(jobView({ ...queued, state: 'cancelled', reason: 'client' }, undefined, NOW).reason).toBe('client');
    expect(jobSchema.parse(view)).toEqual(view);
  });
});

describe('deliveriesView', () => {
  it('shows each attempt', () => {
    const view = deliveriesView([
      { id: 'msg_1', attempt: 1, at: NOW, state: 'failed', httpStatus: 500, error: 'The receiver answered 500.' },
      { id: 'msg_1', attempt: 2, at: NOW + 5000, state: 'pending' },
    ]);
    expect(view.deliveries.map(({ at }) => at)).toEqual(['2026-11-21T09:30:00.000Z', '2026-11-21T09:30:05.000Z']);
    expect(deliveriesSchema.parse(view)).toEqual(view);
  });
});
