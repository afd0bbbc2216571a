import * as fc from 'fast-check';
import { isIP } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import { ClientAddress } from './client-address.js';

const requests = new ReceivedRequests();
afterAll(() => requests.close());

const proxied = new ClientAddress({ trustProxy: ['loopback', '10.0.0.0/8', '2001:db8:ff::/48'] });

async function addressOf(forwarded: readonly string[], client: ClientAddress = proxied): Promise<string> {
  return client.of(
    await requests.receive(
      '/',
      forwarded.map((value) => `X-Forwarded-For: ${value}`),
    ),
  );
}

describe('the address of a client', () => {
  it('is the peer where no proxy is trusted, whatever a header says', async () => {
    expect(await addressOf(['203.0.113.9'], new ClientAddress())).toBe('127.0.0.1');
    expect(await addressOf(['203.0.113.9'], new ClientAddress({ trustProxy: ['private'] }))).toBe(
      '127.0.0.1',
    );
  });

  it.each([
    ['the peer without the header', [], '127.0.0.1'],
    ['what the proxy wrote', ['203.0.113.9'], '203.0.113.9'],
    ['the rightmost, not what the client claimed', ['198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    ['the rightmost behind several proxies', ['198.51.100.1, 203.0.113.9, 10.1.2.3'], '203.0.113.9'],
    ['the rightmost over several lines', ['198.51.100.1, 203.0.113.9', '10.1.2.3'], '203.0.113.9'],
    ['not a trusted address that the client claims', ['10.9.9.9, 203.0.113.9'], '203.0.113.9'],
    ['the outermost when all are trusted', ['10.0.0.1, 10.0.0.2'], '10.0.0.1'],
    ['IPv6 in one spelling', ['2001:DB8:0:0:0::1'], '2001:db8::1'],
    ['behind a trusted IPv6 proxy', ['203.0.113.9, 2001:db8:ff::7'], '203.0.113.9'],
    ['IPv4 in IPv6 as IPv4', ['::ffff:203.0.113.9'], '203.0.113.9'],
    ['IPv4 in IPv6, in hexadecimal, as IPv4', ['::FFFF:cb00:7109'], '203.0.113.9'],
    ['trusted also as IPv4 in IPv6', ['203.0.113.9, ::ffff:10.0.0.1'], '203.0.113.9'],
    ['without a port', ['203.0.113.9:4711'], '203.0.113.9'],
    ['without brackets and port', ['[2001:db8::1]:4711'], '2001:db8::1'],
    ['without a zone', ['fe80::1%eth0'], 'fe80::1'],
  ])('is %s', async (_name, forwarded, address) => {
    expect(await addressOf(forwarded)).toBe(address);
  });

  it.each([
    ['garbage', '203.0.113.9, garbage'],
    ['nothing', '203.0.113.9, '],
    ['unknown', '203.0.113.9, unknown'],
    ['an octal address', '203.0.113.9, 010.0.0.1'],
    ['IPv4 with a zone', '203.0.113.9, 10.0.0.1%eth0'],
    ['a very long entry', `203.0.113.9, ${'1'.repeat(5000)}`],
    ['an empty header', ''],
  ])('is the last hop that is known before %s', async (_name, forwarded) => {
    expect(await addressOf([forwarded])).toBe('127.0.0.1');
  });

  it('is one address, whatever a client makes up', async () => {
    const hop = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.,[]% '.split('')) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(hop, { maxLength: 8 }), async (hops) => {
        expect(isIP(await addressOf([hops.join(',')]))).not.toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('walks through a bounded number of proxies', async () => {
    const hops = ['203.0.113.9', ...Array.from({ length: 500 }, () => '10.0.0.1')];
    expect(await addressOf([hops.join(',')])).toBe('10.0.0.1');
  });

  it('tells whether the peer is a trusted proxy', async () => {
    const request = await requests.receive('/');
    expect(proxied.isProxied(request)).toBe(true);
    expect(new ClientAddress().isProxied(request)).toBe(false);
  });
});

describe('the group of an address', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::5:6:7:8:9', '2001:db8:0:5::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['made up', 'unknown'],
    ['', 'unknown'],
  ])('of %j is %j', (address, group) => {
    expect(new ClientAddress().groupOf(address)).toBe(group);
  });

  it('is the same for all addresses of a /64, and another outside', () => {
    const client = new ClientAddress();
    const part = fc.integer({ min: 0, max: 0xffff });
    const halves = fc
      .array(part, { minLength: 4, maxLength: 4 })
      .map((parts) => parts.map((value) => value.toString(16)).join(':'));
    fc.assert(
      fc.property(halves, halves, halves, (network, one, other) => {
        fc.pre(
          !`${network}:${one}`.startsWith('0:0:0:0:0:ffff:') &&
            !`${network}:${other}`.startsWith('0:0:0:0:0:ffff:'),
        );
        expect(client.groupOf(`${network}:${one}`)).toBe(client.groupOf(`${network}:${other}`));
        if (network !== one)
          expect(client.groupOf(`${one}:${other}`)).not.toBe(client.groupOf(`${network}:${other}`));
      }),
    );
  });
});

describe('a list of trusted proxies', () => {
  it.each([
    'garbage',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8x',
    '',
    'true',
    'toString',
  ])('does not accept %j, and names it', (entry) => {
    expect(() => new ClientAddress({ trustProxy: [entry] })).toThrow(`"${entry}"`);
  });
});
