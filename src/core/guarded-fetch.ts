import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import type { RequestInit, Response } from 'undici';
import { type AddressRules, hostOf, refusalOf } from './address-rules.ts';
import { DiaristError } from './errors.ts';

/** `fetch` that connects only where the address rules allow it, and follows no redirect. */
export interface GuardedFetch {
  /** Throws `forbidden_address` before anything is sent; the network's own errors pass through. */
  fetch(address: URL, init?: Omit<RequestInit, 'dispatcher' | 'redirect'>): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Names are resolved here and the connection is made to the very address that was checked, so that a name that resolves
 * differently the second time (DNS rebinding) gains nothing.
 */
export function createGuardedFetch(rules: AddressRules): GuardedFetch {
  let opened: ReturnType<typeof open> | undefined;
  // Most servers never fetch: they go without the client and its 8 MB.
  const open = async () => {
    const { Agent, fetch } = await import('undici');
    const agent = new Agent({
      connect: { lookup: guardedLookup(rules), timeout: 10_000 },
      // Our callers bring their own deadlines; these would end a long transfer that is fine.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { fetch, agent };
  };
  return {
    async fetch(address, init = {}) {
      assertAllowedAddress(address, rules);
      opened ??= open();
      const client = await opened;
      try {
        return await client.fetch(address, { ...init, dispatcher: client.agent, redirect: 'manual' });
      } catch (error) {
        if (error instanceof TypeError && error.cause instanceof DiaristError) throw error.cause;
        throw error;
      }
    },
    close: async () => (await opened)?.agent.destroy(),
  };
}

/**
 * Throws `forbidden_address` where a URL is not http or https, or names an address that is refused. A name passes: what it
 * stands for is known when it is resolved.
 */
export function assertAllowedAddress(url: URL, rules: AddressRules): void {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new DiaristError('forbidden_address', 'The URL must begin with http:// or https://.');
  }
  const host = hostOf(url);
  if (isIP(host) === 0) return;
  const reason = refusalOf(host, host, rules);
  if (reason) throw refused(host, reason);
}

function guardedLookup(rules: AddressRules): LookupFunction {
  return (host, options, done) => {
    resolveAllowed(host, options, rules).then(
      (addresses) => {
        if (options.all) done(null, addresses);
        else done(null, addresses[0]!.address, addresses[0]!.family);
      },
      (error: NodeJS.ErrnoException) => done(error, [], 0),
    );
  };
}

/** The addresses of a host that are allowed, at least one; throws `forbidden_address` where there is none. */
async function resolveAllowed(host: string, options: LookupOptions, rules: AddressRules): Promise<LookupAddress[]> {
  const found = await lookup(host, { ...options, all: true });
  const name = host.toLowerCase().replace(/\.$/, '');
  const allowed = found.filter(({ address }) => refusalOf(address, name, rules) === undefined);
  if (allowed.length > 0) return allowed;
  throw refused(host, refusalOf(found[0]?.address ?? '', name, rules) ?? 'it has no address');
}

function refused(host: string, reason: string): DiaristError {
  return new DiaristError(
    'forbidden_address',
    `The address of ${host} may not be used: ${reason}. Name a public address, or ask the operator to allow the host.`,
  );
}
