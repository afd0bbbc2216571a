import { describe, expect, it } from 'vitest';
import { judge, Ledger, type Sight, type Subscribed } from './ledger.js';

const END = { epoch: 'a', offset: 4 };

function ledger(): Ledger {
  const all = new Ledger();
  for (let offset = 1; offset <= 4; offset += 1)
    all.add({ channel: 'c', epoch: 'a', offset, text: `${offset}` });
  return all;
}

const joined = (offset = 0): Sight => ({
  kind: 'subscribed',
  from: undefined,
  at: { epoch: 'a', offset },
  recovered: undefined,
  publications: [],
});
const got = (offset: number, text = `${offset}`): Sight => ({ kind: 'publication', seen: { offset, text } });
const back = (from: number, publications: number[], recovered = true): Subscribed => ({
  kind: 'subscribed',
  from: { epoch: 'a', offset: from },
  at: { epoch: 'a', offset: publications.at(-1) ?? from },
  recovered,
  publications: publications.map((offset) => ({ offset, text: `${offset}` })),
});

function faultsOf(...sights: Sight[]): readonly string[] {
  return judge('c', sights, { ledger: ledger(), end: END }).faults;
}

describe('the judge of what a client saw', () => {
  it('is content with everything once and in order, live or replayed, and counts it', () => {
    const sights = [joined(1), got(2), back(2, [3]), got(4)];
    expect(judge('c', sights, { ledger: ledger(), end: END })).toEqual({
      faults: [],
      live: 2,
      replayed: 1,
      told: 0,
    });
  });

  it('counts what a client was told for everything before', () => {
    const resync: Sight = { kind: 'resync', at: { epoch: 'a', offset: 3 } };
    expect(judge('c', [joined(), got(1), resync, got(4)], { ledger: ledger(), end: END })).toMatchObject({
      faults: [],
      told: 1,
    });
    const lost: Sight = {
      kind: 'subscribed',
      from: { epoch: 'z', offset: 9 },
      at: END,
      recovered: false,
      publications: [],
    };
    expect(faultsOf(joined(), lost)).toEqual([]);
  });

  it.each([
    ['a publication that is lost', [joined(), got(1), got(3), got(4)], /lost 2 to 2/],
    ['one that comes twice', [joined(2), got(3), got(3), got(4)], /got 3 again/],
    ['two in the wrong order', [joined(2), got(4), got(3)], /got 3 again, or late/],
    ['another one at its place', [joined(3), got(4, 'x')], /is x, while 4/],
    ['an end that never came', [joined(2), got(3)], /ends at a:3 instead of a:4/],
    ['a recovery with a hole', [joined(1), back(1, [3, 4])], /lost 2 to 2/],
    ['a recovery that brings again', [joined(2), got(3), back(3, [3, 4])], /got 3 again/],
    [
      'a recovery that does not reach its own position',
      [joined(3), { ...back(3, []), at: END }],
      /recovered to/,
    ],
    [
      'a reply that leaves it open',
      [joined(3), { ...back(3, [4]), recovered: undefined }],
      /was not told whether/,
    ],
  ] satisfies [string, Sight[], RegExp][])('sees %s', (_what, sights, fault) => {
    expect(faultsOf(...sights).join('\n')).toMatch(fault);
  });

  it('sees two publications at one position', () => {
    const all = ledger();
    all.add({ channel: 'c', epoch: 'a', offset: 4, text: 'another' });
    expect(all.faults).toHaveLength(1);
  });
});
