import { describe, expect, it } from 'vitest';
import { Credentials } from './credentials.js';

const url = 'wss://api.example.com/ws?app=7';
const JSON_ONLY = ['aerie.v1.json'];

describe('credentials', () => {
  it('keeps a token out of the address and sends it as the first message', () => {
    const credentials = new Credentials(url, { token: () => 'jwt' });
    expect(credentials.socketAddress('jwt', JSON_ONLY)).toEqual({
      url,
      protocols: ['aerie.v1.json'],
      firstMessage: { token: 'jwt' },
    });
    expect(credentials.dryRun('jwt')).toEqual({
      url: 'https://api.example.com/ws?app=7',
      headers: {},
      credentials: 'same-origin',
    });
  });

  it('offers a token as a subprotocol', () => {
    const credentials = new Credentials(url, { token: () => 'jwt', tokenVia: 'subprotocol' });
    expect(credentials.socketAddress('jwt', JSON_ONLY)).toEqual({
      url,
      protocols: ['aerie.v1.json', 'aerie.bearer.jwt'],
      firstMessage: false,
    });
    expect(credentials.dryRun('jwt').headers).toEqual({ authorization: 'Bearer jwt' });
  });

  it('puts a token into the query, of the dry run too', () => {
    const credentials = new Credentials(url, { token: () => 'a+b', tokenVia: 'query' });
    expect(credentials.socketAddress('a+b', JSON_ONLY).url).toBe(`${url}&token=a%2Bb`);
    expect(credentials.dryRun('a+b')).toMatchObject({
      url: 'https://api.example.com/ws?app=7&token=a%2Bb',
      headers: {},
    });
  });

  it('puts a ticket into the query and renews by $auth with another', () => {
    const credentials = new Credentials(url, { ticket: () => 't' });
    expect(credentials.socketAddress('t', JSON_ONLY)).toEqual({
      url: `${url}&ticket=t`,
      protocols: JSON_ONLY,
      firstMessage: false,
    });
    expect(credentials.authData('t2')).toEqual({ ticket: 't2' });
    expect(credentials.renewable).toBe(true);
  });

  it('leaves it to the cookie where nothing is given', () => {
    const credentials = new Credentials('http://localhost:3000/ws', {});
    expect(credentials.socketAddress('', JSON_ONLY)).toEqual({
      url: 'ws://localhost:3000/ws',
      protocols: ['aerie.v1.json'],
      firstMessage: false,
    });
    expect(credentials.dryRun('').credentials).toBe('include');
    expect(credentials.renewable).toBe(false);
  });

  it('refuses what is no address', () => {
    expect(() => new Credentials('nowhere', {})).toThrow(TypeError);
    expect(() => new Credentials('ftp://example.com', {})).toThrow(TypeError);
  });
});
