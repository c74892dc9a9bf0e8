import ipaddr from 'ipaddr.js';

/**
 * What stands between a URL that a client names and the network of the server (server-side request forgery): addresses
 * of the public internet are allowed, those of this machine and its network only where an operator allowed the host, and
 * the ones that answer with credentials never.
 */
export interface AddressRules {
  /** Names of hosts, addresses and ranges in CIDR notation (`DIARIST_ALLOWED_HOSTS`), in lower case. */
  readonly allowedHosts: readonly string[];
}

/** Ranges that hold what an operator may want to reach: this machine, its network, a VPN. */
const LOCAL_RANGES: ReadonlySet<string> = new Set([
  'loopback',
  'private',
  'uniqueLocal',
  'carrierGradeNat',
  'benchmarking',
]);

/** Metadata services of clouds outside the link-local range: Amazon over IPv6, Alibaba, Oracle's older one. */
const METADATA_ADDRESSES: ReadonlySet<string> = new Set(['fd00:ec2::254', '100.100.100.200', '192.0.0.192']);

/**
 * Why a connection to the address is refused, as the end of a sentence; undefined where it is allowed. `host` is the name
 * by which the URL called it, or the address itself; it is matched against the allowed hosts as a whole, never in part.
 */
export function refusalOf(address: string, host: string, rules: AddressRules): string | undefined {
  if (!ipaddr.isValid(address)) return 'it is not an internet address';
  const parsed = unwrapped(ipaddr.parse(address));
  if (METADATA_ADDRESSES.has(canonical(parsed))) return 'it is a metadata service';
  const range: string = parsed.range();
  if (range === 'unicast') return undefined;
  // Everything else (link-local, multicast, reserved, tunnels) has no recording and no listener to a webhook.
  if (!LOCAL_RANGES.has(range)) return `it is in a range that is never allowed (${range})`;
  if (isAllowed(parsed, host, rules)) return undefined;
  return 'it is in this network and its host is not among DIARIST_ALLOWED_HOSTS';
}

/** Host of a URL without the brackets of IPv6, in lower case and without a final dot. */
export function hostOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function isAllowed(address: ipaddr.IPv4 | ipaddr.IPv6, host: string, rules: AddressRules): boolean {
  return rules.allowedHosts.some((entry) => {
    if (ipaddr.isValidCIDR(entry)) {
      const [network, bits] = ipaddr.parseCIDR(entry);
      return network.kind() === address.kind() && address.match(network, bits);
    }
    if (ipaddr.isValid(entry)) return canonical(unwrapped(ipaddr.parse(entry))) === canonical(address);
    return entry === host;
  });
}

/** The IPv4 address inside an IPv6 one that reaches it (mapped, RFC 4291; translated, RFC 6052). */
function unwrapped(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (TRANSLATED.every((part, index) => address.parts[index] === part)) {
    return new ipaddr.IPv4(address.toByteArray().slice(12));
  }
  return address;
}

/** First six parts of 64:ff9b::/96. */
const TRANSLATED = [0x64, 0xff9b, 0, 0, 0, 0];

function canonical(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
