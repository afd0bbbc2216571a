import { describe, expect, it } from 'vitest';
import type { ChannelRule } from './channel-rule.js';
import { ChannelRules } from './channel-rules.js';

function rule(pattern: string, options: Partial<ChannelRule> = {}): ChannelRule {
  return { pattern, maySubscribe: () => true, mayPublish: () => true, ...options };
}

function rulesOf(...patterns: string[]): ChannelRules {
  const rules = new ChannelRules();
  for (const pattern of patterns) rules.add(rule(pattern));
  return rules;
}

describe('channel rules', () => {
  it('leave a channel that no pattern matches without a rule', () => {
    expect(rulesOf('room:{id}').match('lobby')).toBeUndefined();
    expect(rulesOf().match('room:7')).toBeUndefined();
  });

  it.each([[['{kind}:{id}', 'room:{id}', 'room:main']], [['room:main', 'room:{id}', '{kind}:{id}']]])(
    'let the most specific pattern decide, in whatever order they came: %j',
    (patterns) => {
      const rules = rulesOf(...patterns);
      expect(rules.match('room:main')?.rule.pattern).toBe('room:main');
      expect(rules.match('room:7')).toMatchObject({ rule: { pattern: 'room:{id}' }, params: { id: '7' } });
      expect(rules.match('game:7')?.rule.pattern).toBe('{kind}:{id}');
    },
  );

  it('have one rule for a pattern, whatever its parameters are called', () => {
    expect(() => rulesOf('room:{id}', 'room:{name}')).toThrow('has a rule already');
  });

  it.each(['user:{id}', 'user:{name}', 'user:{id}:feed', 'user:root'])(
    'leave the name space of the users alone: %s',
    (pattern) => {
      expect(() => rulesOf(pattern)).toThrow('built in');
    },
  );

  it.each(['drop', 'conflate'] as const)('give no history to a channel that may %s', (slow) => {
    const history = { size: 10, ttlMs: 1_000 };
    const rules = new ChannelRules();
    expect(() => rules.add(rule('a', { slow, history }))).toThrow("can't have history");
    rules.add(rule('a', { slow }));
    rules.add(rule('b', { slow: 'disconnect', history }));
  });

  it.each([
    { size: 0, ttlMs: 1_000 },
    { size: 100_001, ttlMs: 1_000 },
    { size: 1.5, ttlMs: 1_000 },
    { size: 10, ttlMs: 999 },
    { size: 10, ttlMs: 31 * 86_400_000 },
    { size: 10, ttlMs: NaN },
  ])('refuse a history out of bounds: %j', (history) => {
    expect(() => new ChannelRules().add(rule('a', { history }))).toThrow('history is a size');
    expect(() => new ChannelRules(history)).toThrow('history is a size');
  });

  it('tell how much of a channel is kept, the users’ own included', () => {
    const history = { size: 10, ttlMs: 1_000 };
    const rules = new ChannelRules();
    rules.add(rule('room:{id}', { history }));
    rules.add(rule('lobby'));
    expect(rules.historyOf('room:7')).toEqual(history);
    for (const channel of ['lobby', 'nowhere', 'user:ann']) expect(rules.historyOf(channel)).toBeUndefined();
    expect(new ChannelRules(history).historyOf('user:ann')).toEqual(history);
  });
});
