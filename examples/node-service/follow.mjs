// A Node service that follows a channel with the SDK, and speaks in it. Ctrl-C ends it.
//   node examples/node-service/follow.mjs [channel] [user]
// AERIE_URL (http://localhost:3000), AERIE_TOKEN (else dev mode makes one).
import { RealtimeClient, RealtimeError } from '@aerie/client';

const [channel = 'public:lobby', user = 'node'] = process.argv.slice(2);
const url = process.env.AERIE_URL ?? 'http://localhost:3000';

const realtime = new RealtimeClient(`${url.replace(/^http/, 'ws')}/ws`, { token });
realtime.onError((error) => console.error(error.message));
realtime.onState((state) => {
  if (state.status === 'open') console.log(`connected as ${state.welcome.user}`);
  if (state.status === 'waiting') console.log(`again in ${Math.round(state.retryInMs)} ms`);
  if (state.status === 'stopped') process.exitCode = state.cause.code === 1000 ? 0 : 1;
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => realtime.close());

const followed = realtime.channel(channel);
followed.on('say', (data) => console.log('say', JSON.stringify(data)));
// The history could not be continued: load anew what you built from the channel.
followed.onResync(() => console.log('publications are lost'));
await followed.publish('say', { text: `${user} is here` });

/** Called for each attempt and each renewal. Yours would ask your identity provider. */
async function token() {
  if (process.env.AERIE_TOKEN !== undefined) return process.env.AERIE_TOKEN;
  const response = await fetch(`${url}/dev/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status === 404)
    throw new RealtimeError({ code: 'forbidden', message: 'the server is not in dev mode: set AERIE_TOKEN' });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return (await response.json()).token;
}
