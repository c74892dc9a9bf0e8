// The container's HEALTHCHECK: ends with 0 where the server answers that it lives.
const port = process.env.DIARIST_PORT || '9000';
try {
  const response = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(4000) });
  if (!response.ok) throw new Error(`/livez answered ${response.status}`);
} catch (error) {
  console.log(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
