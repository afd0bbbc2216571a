// What a page does: with the browser's own WebSocket and EventSource, and with the SDK. Loaded into pages by test/browser.spec.ts.
import { RealtimeClient } from '@aerie/client';
import { fallbacks, longPolling, sse } from '@aerie/client/fallbacks';

/** What each client has been told, by its name. */
const told = {};

/** By hand, as docs/wire-protocol.md says: positions, `$subscribe` after each `$welcome`, another attempt after each end. */
function ownWebSocket(name, { url, channel, ticketOf }) {
  const client = (told[name] = { seen: [], recovered: [], codes: [] });
  let position;
  const take = (publication) => {
    position.offset = publication.offset;
    client.seen.push(publication.data);
  };
  const open = async () => {
    const query = ticketOf === undefined ? '' : `?ticket=${await window.ticketFor(ticketOf)}`;
    const socket = new WebSocket(`${url}/ws${query}`, 'aerie.v1.json');
    socket.addEventListener('close', ({ code }) => {
      client.codes.push(code);
      setTimeout(open, 200);
    });
    socket.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.event === '$welcome')
        socket.send(JSON.stringify({ id: 1, event: '$subscribe', data: { channel, position } }));
      if (frame.channel === channel) take(frame);
      if (frame.id !== 1) return;
      position ??= { offset: frame.data.offset };
      client.recovered.push(frame.data.recovered ?? 'first');
      for (const publication of frame.data.publications ?? []) take(publication);
      position = { epoch: frame.data.epoch, offset: frame.data.offset };
    });
  };
  void open();
}

/** Nothing by hand: an EventSource comes back by itself, with the last id. */
async function ownEventSource(name, { url, channel, ticketOf }) {
  const client = (told[name] = { seen: [], recovered: [], lastEventId: '' });
  const ticket = ticketOf === undefined ? '' : `&ticket=${await window.ticketFor(ticketOf)}`;
  const source = new EventSource(`${url}/sse?channels=${channel}${ticket}`, {
    withCredentials: ticketOf === undefined,
  });
  source.addEventListener('message', ({ data, lastEventId }) => {
    const frame = JSON.parse(data);
    client.lastEventId = lastEventId;
    if (frame.event === '$subscribed') client.recovered.push(frame.data.recovered ?? 'first');
    if (frame.channel === channel) client.seen.push(frame.data);
  });
}

/** One client for each fallback, all of which begin with a WebSocket. */
function fallbackClients({ url, channel }) {
  for (const transport of [sse(), longPolling()]) {
    // The page's own is one for both.
    const items = new Map();
    const storage = {
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, value) => items.set(key, value),
      removeItem: (key) => items.delete(key),
    };
    const options = { fallbacks: fallbacks({ transports: [transport], storage }) };
    sdk(transport.name, { url, channel, options });
  }
}

function sdk(name, { url, channel, options }) {
  const client = (told[name] = { seen: [], recovered: [], states: [], transports: [] });
  const realtime = new RealtimeClient(`${url}/ws`, options);
  realtime.onError(() => undefined);
  realtime.onState(({ status, offline, welcome }) => {
    client.states.push(offline ? 'offline' : status);
    if (welcome !== undefined) client.transports.push(welcome.transport);
  });
  const followed = realtime.channel(channel);
  followed.onState((state) => {
    if (state.status === 'subscribed') client.recovered.push(state.recovered ?? 'first');
  });
  followed.on('count', (data) => client.seen.push(data));
}

Object.assign(window, { told, ownWebSocket, ownEventSource, sdk, fallbackClients, ready: true });
