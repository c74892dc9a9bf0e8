import { isIP } from 'node:net';

/**
 * Tells whether a server that asks for no key may answer under the name in a `Host` header. A page that a person visits
 * can let its own name point to their machine and is of the server's origin then (DNS rebinding), but it cannot take
 * away an address, `localhost`, a name without dots (a service of Compose, a machine in the home) or a listed name.
 */
export class HostNames {
  readonly #listed: ReadonlySet<string>;
  readonly #all: boolean;

  /** @param origins Origins of pages that may call anyway: their hosts count as listed, `*` is any. */
  constructor(names: readonly string[], origins: readonly string[]) {
    const hosts = origins.filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).hostname);
    this.#listed = new Set([...names, ...hosts].map(withoutFinalDot));
    this.#all = origins.includes('*');
  }

  /** @param host Value of the header. Without one no page asks: browsers always send it. */
  accepts(host: string): boolean {
    if (this.#all || host === '') return true;
    const bare = HOST.exec(host)?.[1];
    if (bare === undefined) return false;
    const name = withoutFinalDot(bare);
    return (
      isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 ||
      !name.includes('.') ||
      name.endsWith('.localhost') ||
      this.#listed.has(name)
    );
  }
}

/** A name or an address, IPv6 in brackets, and a port. */
const HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(?::\d*)?$/i;

const withoutFinalDot = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Whether only this machine can call a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}
