import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostOf, refusalOf } from './address-rules.ts';

const NOBODY = { allowedHosts: [] };

describe('refusalOf', () => {
  it('allows public addresses', () => {
    for (const address of ['8.8.8.8', '93.184.216.34', '2606:4700::1111']) {
      expect(refusalOf(address, 'example.org', NOBODY), address).toBeUndefined();
    }
  });

  it('refuses this machine and its network, however the address is written', () => {
    const local = ['127.0.0.1', '127.9.9.9', '::1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd12::1'];
    const disguised = ['::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1'];
    for (const address of [...local, ...disguised]) expect(refusalOf(address, 'x', NOBODY), address).toBeDefined();
  });

  it('allows them by the name, the address or the range that the operator allowed, and by nothing else', () => {
    const rules = { allowedHosts: ['nas.lan', '10.1.0.0/16', '::1'] };
    expect(refusalOf('192.168.1.5', 'nas.lan', rules)).toBeUndefined();
    expect(refusalOf('10.1.2.3', 'anything', rules)).toBeUndefined();
    expect(refusalOf('0:0:0:0:0:0:0:1', 'localhost', rules)).toBeUndefined();
    expect(refusalOf('192.168.1.5', 'evil-nas.lan', rules)).toBeDefined();
    expect(refusalOf('192.168.1.5', 'nas.lan.evil.example', rules)).toBeDefined();
    expect(refusalOf('10.2.0.1', 'anything', rules)).toBeDefined();
  });

  it('never allows metadata services, link-local and addresses that are nobody, whoever allows them', () => {
    const everything = { allowedHosts: ['0.0.0.0/0', '::/0', 'metadata'] };
    const never = ['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200', '0.0.0.0', '::', '224.0.0.1'];
    const disguised = ['::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', '255.255.255.255'];
    for (const address of [...never, ...disguised]) {
      expect(refusalOf(address, 'metadata', everything), address).toBeDefined();
    }
  });

  it('never throws and never allows what is no address', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/^[\d.:a-f]*$/i.test(text)) expect(refusalOf(text, text, NOBODY)).toBeDefined();
        else refusalOf(text, text, NOBODY);
      }),
    );
  });
});

it('reads the host of a URL as the rules name it', () => {
  expect(['http://[::1]:80/', 'http://NAS.lan./x', 'http://0x7f.1/'].map((url) => hostOf(new URL(url)))).toEqual([
    '::1',
    'nas.lan',
    '127.0.0.1',
  ]);
});
