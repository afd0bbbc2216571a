import { describe, expect, it } from 'vitest';
import { createCredentials } from './credentials.js';

const url = 'wss://api.example.com/ws?app=7';

describe('credentials', () => {
  it('renew a session by $auth with another of the same kind', () => {
    const ticket = createCredentials(url, { ticket: () => 't' });
    expect([ticket.via, ticket.authData('t2')]).toEqual(['query', { ticket: 't2' }]);
    const token = createCredentials(url, { token: () => 'jwt', tokenVia: 'query' });
    expect([token.via, token.authData('jwt2')]).toEqual(['query', { token: 'jwt2' }]);
  });

  it('that are a cookie are renewed by opening again', () => {
    expect(createCredentials('http://localhost:3000/ws', {}).via).toBeUndefined();
  });

  it('refuse what is no address', () => {
    expect(() => createCredentials('nowhere', {})).toThrow(TypeError);
    expect(() => createCredentials('ftp://example.com', {})).toThrow(TypeError);
  });
});
