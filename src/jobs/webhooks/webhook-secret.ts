import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { DiaristError } from '../../core/errors.ts';

/**
 * The secret that signs webhooks which bring none: the configured one, or one that is made at the first start and kept
 * beside the jobs, where only the owner of the data folder reads it. Throws `invalid_configuration`.
 */
export function serverWebhookSecret(configured: string, path: string): string {
  if (configured !== '') {
    if (isWebhookSecret(configured)) return configured;
    throw new DiaristError('invalid_configuration', 'DIARIST_WEBHOOK_SECRET must be whsec_ and a key in base64.');
  }
  try {
    // Fails where the file is there: the secret that receivers know stays.
    writeFileSync(path, `whsec_${randomBytes(32).toString('base64')}`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}

export function isWebhookSecret(secret: string): boolean {
  if (!/^(whsec_)?[A-Za-z0-9+/]+=*$/.test(secret)) return false;
  try {
    new Webhook(secret);
    return true;
  } catch {
    return false;
  }
}
