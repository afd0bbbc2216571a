import { describe, expect, it } from 'vitest';
import { claimsGrant } from './channel-claims.js';
import { channelsSchema, ruledChannels, userHistory } from './channels-config.js';

function pathsOfFaults(...channels: object[]): string[] {
  return (channelsSchema.safeParse({ channels }).error?.issues ?? []).map(({ path }) => path.join('.'));
}

describe('a channel rule', () => {
  it('denies by default', () => {
    expect(channelsSchema.parse({ channels: [{ pattern: 'room:{id}' }] })).toEqual([
      { pattern: 'room:{id}', subscribe: 'nobody', publish: 'nobody', presence: false, slow: 'disconnect' },
    ]);
  });

  it.each(['room', 'room:{id}', '{tenant}:room:{room_id}:v1.2', 'a@b=c+d%20-'])(
    'accepts the pattern %s',
    (pattern) => {
      expect(pathsOfFaults({ pattern })).toEqual([]);
    },
  );

  it.each([
    '',
    ':',
    'room:',
    'room:*',
    'room:x{id}',
    'room:{}',
    'room:{1}',
    'a b',
    '{a}:{a}',
    'user:{id}',
    'user:{id}:feed',
    'user:root',
    'user',
    'x'.repeat(201),
  ])('refuses the pattern %j', (pattern) => {
    expect(pathsOfFaults({ pattern })).toContain('channels.0.pattern');
  });

  it('takes a history, and nothing else, for the users’ own channels', () => {
    const own = { pattern: 'user:{id}', history: { size: 10, ttlMs: 60_000 } };
    expect(pathsOfFaults(own)).toEqual([]);
    for (const more of [{ subscribe: 'authenticated' }, { publish: 'claims' }, { presence: true }])
      expect(pathsOfFaults({ ...own, ...more })).toEqual(['channels.0.pattern']);
    const channels = channelsSchema.parse({ channels: [own, { pattern: 'room:{id}' }] });
    expect(userHistory(channels)).toEqual(own.history);
    expect(ruledChannels(channels)).toMatchObject([{ pattern: 'room:{id}' }]);
  });

  it('refuses two patterns that match the same channels', () => {
    expect(
      pathsOfFaults({ pattern: 'room:{id}' }, { pattern: 'room:lobby' }, { pattern: 'room:{name}' }),
    ).toEqual(['channels.2.pattern']);
  });

  it.each(['drop', 'conflate'])('refuses %s with history', (slow) => {
    expect(pathsOfFaults({ pattern: 'a', slow, history: { size: 1, ttlMs: 1_000 } })).toEqual([
      'channels.0.slow',
    ]);
    expect(pathsOfFaults({ pattern: 'a', slow })).toEqual([]);
  });

  it('refuses fields that it does not know', () => {
    expect(pathsOfFaults({ pattern: 'a', publsh: 'authenticated' })).toEqual(['channels.0']);
    expect(channelsSchema.safeParse({ channel: [] }).success).toBe(false);
  });
});

const grants = (patterns: unknown, channel: string) =>
  claimsGrant({ channels: { subscribe: patterns } }, 'subscribe', channel);

describe('the claim "channels"', () => {
  it.each([
    ['room:7', 'room:7'],
    ['room:*', 'room:7'],
    ['room:vip-*', 'room:vip-1'],
    ['*:news', 'de:news'],
    ['*', 'lobby'],
  ])('%s grants %s', (pattern, channel) => {
    expect(grants(['other', pattern], channel)).toBe(true);
  });

  it.each([
    ['room:7', 'room:70'],
    ['room:*', 'room:7:secrets'],
    ['room:*', 'room:'],
    ['room:vip-*', 'room:vip-'],
    ['room:*x', 'room:ax'],
    ['*', 'room:7'],
    ['room:{id}', 'room:7'],
    ['room:.*', 'room:7'],
    ['', 'room:7'],
  ])('%s does not grant %s', (pattern, channel) => {
    expect(grants([pattern], channel)).toBe(false);
  });

  it('grants each action on its own', () => {
    expect(claimsGrant({ channels: { subscribe: ['room:*'] } }, 'publish', 'room:7')).toBe(false);
  });

  it.each([undefined, null, 'room:*', 7, {}, { 0: 'room:*' }, [['room:*']], [null, { pattern: 'room:*' }]])(
    'grants nothing as %j',
    (junk) => {
      expect(grants(junk, 'room:7')).toBe(false);
      expect(claimsGrant({ channels: junk }, 'subscribe', 'room:7')).toBe(false);
    },
  );

  it('is read from the claims themselves, not from a prototype', () => {
    const claims = Object.create({ channels: { subscribe: ['room:*'] } }) as Record<string, unknown>;
    expect(claimsGrant(claims, 'subscribe', 'room:7')).toBe(false);
  });
});
