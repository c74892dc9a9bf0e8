import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** What `GET /api/jobs/{id}` tells, as far as tests look at it. */
export interface JobView {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly progress: number;
  readonly stage?: string;
  readonly name: string;
  readonly dialect: string;
  readonly attempts: number;
  readonly reason?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Posts a recording to `/api/jobs` with options; throws where the answer is not 202. */
export async function postJob(
  server: string,
  file: string,
  options: Readonly<Record<string, string>> = {},
): Promise<JobView> {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.set(name, value);
  form.set('file', new Blob([await readFile(file)]), path.basename(file));
  const response = await fetch(`${server}/api/jobs`, { method: 'POST', body: form });
  if (response.status !== 202) throw new Error(`POST /api/jobs: ${response.status} ${await response.text()}`);
  return (await response.json()) as JobView;
}

/** Every job that the server knows, newest first. */
export async function allJobs(server: string): Promise<JobView[]> {
  const jobs: JobView[] = [];
  for (let after = ''; ; ) {
    const response = await fetch(`${server}/api/jobs?limit=200${after && `&cursor=${after}`}`);
    if (!response.ok) throw new Error(`GET /api/jobs: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as { jobs: JobView[]; next?: string };
    jobs.push(...page.jobs);
    if (page.next === undefined) return jobs;
    after = page.next;
  }
}

export async function transcriptOf(server: string, id: string, format: string): Promise<string> {
  const response = await fetch(`${server}/api/jobs/${id}/transcript?format=${format}`);
  const body = await response.text();
  if (!response.ok) throw new Error(`transcript of ${id}: ${response.status} ${body}`);
  return body;
}

/** States that a job went through, in order, as its event stream tells them. The job must have ended. */
export async function statesOf(server: string, id: string): Promise<string[]> {
  const response = await fetch(`${server}/api/jobs/${id}/events`);
  const data = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
  return data.flatMap((line) => {
    const event = JSON.parse(line.slice('data: '.length)) as { kind?: string; state?: string };
    return event.kind === 'state' && event.state !== undefined ? [event.state] : [];
  });
}

export const hasEnded = ({ state }: JobView): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';
