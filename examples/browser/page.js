import { RealtimeClient } from '@aerie/client';

const channel = new URLSearchParams(location.search).get('channel') ?? 'public:lobby';
const { url } = await (await fetch('/config')).json();

const realtime = new RealtimeClient(url, {
  // Called for each attempt. It throws where there is no network: the client tries again.
  ticket: async () => (await (await fetch('/ticket', { method: 'POST' })).json()).ticket,
});
realtime.onState(({ status }) => {
  document.querySelector('#state').textContent = status;
});

const followed = realtime.channel(channel);
const said = document.querySelector('#said');
followed.on('say', ({ text }) => {
  const item = document.createElement('li');
  item.textContent = text;
  said.append(item);
});
// The history could not be continued: what is shown may have a gap.
followed.onResync(() => said.replaceChildren());

document.querySelector('#say').addEventListener('submit', async (submitted) => {
  submitted.preventDefault();
  const { text } = submitted.target.elements;
  // Repeated by the client, with the same key, for as long as its outcome is unknown.
  await followed.publish('say', { text: text.value });
  text.value = '';
});
