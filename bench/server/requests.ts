import type { SpawnedServer } from './spawned-server.ts';

/** Posts a recording and reads the answer to its end. Throws where it is not 200. Returns the milliseconds it took. */
export async function timedPost(
  server: SpawnedServer,
  route: string,
  audio: Buffer,
  fields: Readonly<Record<string, string>> = {},
): Promise<number> {
  const started = performance.now();
  const response = await post(server, route, audio, fields);
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${route}: ${response.status} ${body.slice(0, 300)}`);
  return performance.now() - started;
}

export function post(
  server: SpawnedServer,
  route: string,
  audio: Buffer,
  fields: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set(/asr|detect/.test(route) ? 'audio_file' : 'file', new Blob([new Uint8Array(audio)]), 'clip.wav');
  return fetch(`${server.url}${route}`, { method: 'POST', body: form });
}
