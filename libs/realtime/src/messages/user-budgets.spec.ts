import { describe, expect, it } from 'vitest';
import { UserBudgets } from './user-budgets.js';

describe('the budgets of users', () => {
  it('are each their own, and a no costs nothing', () => {
    const budgets = new UserBudgets({ messagesPerSecond: 0, burst: 2 });
    expect(Array.from({ length: 4 }, () => budgets.take('ann'))).toEqual([true, true, false, false]);
    expect(budgets.take('bob')).toBe(true);
  });

  it('are kept for a bounded number of users: the one used longest ago is forgotten', () => {
    const budgets = new UserBudgets({ messagesPerSecond: 0, burst: 1 });
    budgets.take('ann');
    budgets.take('bob');
    for (let user = 0; user < 9_998; user += 1) budgets.take(`${user}`);
    expect(budgets.take('ann')).toBe(false);
    budgets.take('one more');
    expect([budgets.take('ann'), budgets.take('bob')]).toEqual([false, true]);
  });

  it('fill up again, however often they said no', async () => {
    const budgets = new UserBudgets({ messagesPerSecond: 100, burst: 1 });
    budgets.take('ann');
    for (let turn = 0; turn < 1_000; turn += 1) budgets.take('ann');
    await expect.poll(() => budgets.take('ann')).toBe(true);
  });
});
