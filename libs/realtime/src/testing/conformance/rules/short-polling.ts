import { LIMITS } from '@aerie/protocol';
import { ensure, equal, fieldsOf, includes, isNumber } from '../expectations.js';
import { countFrom, type Publication, publicationsOf, publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import { type Trial, unique } from '../trial.js';

const over = 'short-polling';
const MOST_PAGES = 100;

export const shortPollingRules: readonly Rule[] = [
  {
    name: 'events.newest',
    says: 'it is answered at once with the newest publications of the channel, oldest first, and where that stands',
    over,
    run: async (trial) => {
      const { channel } = await filled(trial);
      const { page, publications } = await pageOf(trial, { channel, limit: '2' });
      equal(page['channel'], channel, 'channel');
      ensure(typeof page['epoch'] === 'string', 'epoch is no string');
      const last = Number(page['offset']);
      equal(offsetsOf(publications), [last - 1, last], 'the offsets');
    },
  },
  {
    name: 'events.after',
    says: 'after and epoch bring what is behind a position, at most limit and with recovered: true; asked again and again, everything once',
    over,
    run: async (trial) => {
      const { channel, events } = await filled(trial);
      const { page } = await pageOf(trial, { channel });
      const from = Number(page['offset']) - events.length;
      const read = await readAll(trial, { channel, epoch: String(page['epoch']), from });
      equal(offsetsOf(read), countFrom(from + 1, read.length), 'the offsets');
      const mine = read.map(({ event }) => event).filter((event) => events.includes(String(event)));
      equal(mine, events, 'the events');
    },
  },
  {
    name: 'events.foreign-epoch',
    says: 'an after of another epoch is recovered: false, without publications, with the position from which to go on',
    over,
    run: async (trial) => {
      const { channel } = await filled(trial);
      const { page: newest } = await pageOf(trial, { channel });
      const { page, publications } = await pageOf(trial, { channel, after: '1', epoch: unique() });
      includes(
        page,
        { recovered: false, epoch: newest['epoch'], offset: newest['offset'] },
        'the answer to a foreign epoch',
      );
      equal(publications, [], 'publications');
    },
  },
  {
    name: 'events.unchanged',
    says: 'where nothing is left behind a page it has an ETag: who sends that as If-None-Match gets 304 while there is nothing new',
    over,
    run: async (trial) => {
      const { channel } = await filled(trial);
      const tag = (await ask(trial, { channel })).headers.get('etag');
      ensure(tag !== null, 'the answer has no ETag');
      const headers = { 'if-none-match': tag };
      equal((await ask(trial, { channel }, headers)).status, 304, 'the status');
      const [event] = await publishSome(await trial.welcomed(1), channel, 1);
      const response = await ask(trial, { channel }, headers);
      equal(response.status, 200, 'the status where there is something new');
      const { publications } = await pageIn(response);
      equal(publications.at(-1)?.event, event, 'the newest event');
    },
  },
  {
    name: 'events.more',
    says: 'a page behind which there is more has no ETag, as it would say that there is nothing new',
    over,
    run: async (trial) => {
      const { channel } = await filled(trial);
      const { page } = await pageOf(trial, { channel });
      const after = String(Number(page['offset']) - 2);
      const query = { channel, after, epoch: String(page['epoch']), limit: '1' };
      equal((await ask(trial, query)).headers.get('etag'), null, 'ETag');
    },
  },
  {
    name: 'events.private',
    says: 'nobody but the client may keep an answer, and that asks anew each time',
    over,
    run: async (trial) => {
      const { headers } = await ask(trial, { channel: trial.channel() });
      const control = headers.get('cache-control') ?? '';
      for (const word of ['private', 'no-cache'])
        ensure(control.includes(word), `Cache-Control is ${JSON.stringify(control)}, without ${word}`);
    },
  },
  {
    name: 'events.refused',
    says: 'who brings no credential, or a bad one, is refused with 401',
    over,
    run: async (trial) => {
      const query = { channel: trial.channel() };
      for (const token of [undefined, 'a.b.c'])
        await refusedWith(await trial.http.ask('events', { token, query }), 401, 'unauthenticated');
    },
  },
  {
    name: 'events.proof',
    says: 'Aerie-Resume with what $welcome said over HTTP stands for the credential',
    over: [over, 'sse'],
    run: async (trial) => {
      const { resume } = await (await trial.http.stream({ token: trial.token(0) })).welcome();
      const headers = { 'aerie-resume': String(resume) };
      const { status } = await trial.http.ask('events', { query: { channel: trial.channel() }, headers });
      equal(status, 200, 'the status');
    },
  },
  {
    name: 'events.origin',
    says: 'an Origin that is not allowed is refused with 403',
    over,
    run: async (trial) => {
      const headers = { origin: 'https://conformance.invalid' };
      await refusedWith(await ask(trial, { channel: trial.channel() }, headers), 403, 'forbidden');
    },
  },
  {
    name: 'events.forbidden',
    says: 'a channel that is forbidden and one that does not exist are answered alike, with 403',
    over,
    run: async (trial) => {
      const channels = [await trial.forbiddenChannel(), `${unique()}:${unique()}`];
      const [secret, absent] = await Promise.all(
        channels.map(async (channel) => refusedWith(await ask(trial, { channel }), 403, 'forbidden')),
      );
      equal(absent, secret, 'the error of a channel that does not exist');
    },
  },
  {
    name: 'events.invalid',
    says: 'what is no channel, an after that is no offset, an epoch without after and a limit that is not 1-100 are 400',
    over,
    run: async (trial) => {
      const channel = trial.channel();
      const limit = String(LIMITS.historyPage + 1);
      const bad = [
        {},
        { channel: 'no channel' },
        { channel, after: '-1' },
        { channel, epoch: 'e' },
        { channel, limit },
      ];
      for (const query of bad) await refusedWith(await ask(trial, query), 400, 'invalid');
    },
  },
  {
    name: 'events.without-history',
    says: 'a channel without a history is 404',
    over,
    needs: ['plainChannel'],
    run: async (trial) => {
      await refusedWith(await ask(trial, { channel: trial.plainChannel() }), 404, 'not_found');
    },
  },
];

type Query = Readonly<Record<string, string>>;

interface Page {
  readonly page: Readonly<Record<string, unknown>>;
  readonly publications: readonly Publication[];
}

/** A new channel with three publications. */
async function filled(
  trial: Trial,
): Promise<{ readonly channel: string; readonly events: readonly string[] }> {
  const channel = trial.channel();
  return { channel, events: await publishSome(await trial.welcomed(1), channel, 3) };
}

/** What the first user is answered. */
function ask(trial: Trial, query: Query, headers: Query = {}): Promise<Response> {
  return trial.http.ask('events', { token: trial.token(0), query, headers });
}

async function pageOf(trial: Trial, query: Query): Promise<Page> {
  const response = await ask(trial, query);
  equal(response.status, 200, 'the status');
  return pageIn(response);
}

async function pageIn(response: Response): Promise<Page> {
  const page = fieldsOf((await response.json()) as unknown);
  ensure(isNumber(page['offset']), 'offset is no number');
  return { page, publications: publicationsOf(page) };
}

/** Everything behind an offset, in pages of two. */
async function readAll(
  trial: Trial,
  { channel, epoch, from }: { readonly channel: string; readonly epoch: string; readonly from: number },
): Promise<readonly Publication[]> {
  const all: Publication[] = [];
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const after = String(Number(all.at(-1)?.offset ?? from));
    const { page, publications } = await pageOf(trial, { channel, after, epoch, limit: '2' });
    equal(page['recovered'], true, 'recovered');
    ensure(publications.length <= 2, `a page of 2 has ${publications.length}`);
    all.push(...publications);
    if (Number(publications.at(-1)?.offset ?? page['offset']) >= Number(page['offset'])) return all;
  }
  throw new Error(`no end after ${MOST_PAGES} pages`);
}

function offsetsOf(publications: readonly Publication[]): readonly unknown[] {
  return publications.map(({ offset }) => offset);
}

/** The error, which has this code. */
async function refusedWith(response: Response, status: number, code: string): Promise<unknown> {
  equal(response.status, status, 'the status');
  const { error } = fieldsOf((await response.json()) as unknown);
  includes(error, { code }, 'the error');
  return error;
}
