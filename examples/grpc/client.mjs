// Follows a channel over gRPC without an SDK, and comes back where it was, however the connection ended. Ctrl-C ends it.
//   node examples/grpc/client.mjs [channel] [user]
// AERIE_GRPC (127.0.0.1:50051), AERIE_TOKEN (else AERIE_URL, http://localhost:3000, makes one in dev mode).
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata, status as STATUS } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [channel = 'public:lobby', user = 'grpc'] = process.argv.slice(2);
const { AERIE_GRPC = '127.0.0.1:50051', AERIE_URL = 'http://localhost:3000', AERIE_TOKEN } = process.env;
const PROTO = fileURLToPath(new URL('../../libs/realtime/proto/aerie/v1/realtime.proto', import.meta.url));
const { aerie } = loadPackageDefinition(loadSync(PROTO, { keepCase: true, longs: Number, defaults: true }));
/** What a client does not come back from, by the close code or else by the status. */
const FINAL_CODES = [1000, 1008, 1009, 4403];
const FINAL_STATUS = [STATUS.UNAUTHENTICATED, STATUS.PERMISSION_DENIED];
const MAX_WAIT_MS = 20_000;

// Behind a proxy with TLS: credentials.createSsl().
const client = new aerie.v1.Realtime(AERIE_GRPC, credentials.createInsecure());
/** The last publication that was seen: what is missed is what comes after it. */
let position;
let failures = 0;
let connectedAs;
let call;
let timer;
let isOver = false;

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => over(0));
void connect();

async function connect() {
  const metadata = new Metadata();
  try {
    metadata.set('authorization', `Bearer ${AERIE_TOKEN ?? (await devToken())}`);
  } catch (error) {
    console.error(error.message);
    return again();
  }
  if (isOver) return;
  let end = {};
  call = client.Connect(metadata);
  call.on('data', (frame) => {
    const data = frame.data === '' ? undefined : JSON.parse(frame.data);
    if (frame.event === '$welcome') welcomed(data);
    else if (frame.id === 'subscribe') subscribed(frame.error, data);
    else if (frame.event === '$resync' && data.channel === channel) lost(data);
    else if (frame.event === '$reconnect') end = { ...end, afterMs: data.afterMs };
    else if (frame.event === '$close') end = { ...end, code: data.code };
    else if (frame.channel === channel) take(frame, data);
  });
  call.on('error', () => undefined);
  call.on('status', ({ code, details }) => ended({ ...end, status: code, details }));
}

function welcomed(welcome) {
  failures = 0;
  connectedAs = welcome.user;
  call.write({ event: '$subscribe', id: 'subscribe', data: JSON.stringify({ channel, position }) });
}

function subscribed(error, reply) {
  if (error) {
    console.error(`${error.code}: ${error.message}`);
    return over(1);
  }
  console.log(`connected as ${connectedAs}`);
  if (reply.recovered === false) console.log('publications are lost');
  for (const publication of reply.publications ?? []) take(publication, publication.data);
  position = reply.epoch && { epoch: reply.epoch, offset: reply.offset };
}

/** The history could not be continued: load anew what you built from the channel. */
function lost({ epoch, offset }) {
  console.log('publications are lost');
  position = { epoch, offset };
}

function take({ event, offset }, data) {
  if (position && offset) position.offset = offset;
  console.log(event, JSON.stringify(data));
}

function ended({ code, status, details, afterMs }) {
  if (isOver) return;
  // A token that has expired is replaced by another one; the first that is refused is no reason to go on.
  if (FINAL_CODES.includes(code) || (code === undefined && FINAL_STATUS.includes(status))) {
    console.error(details);
    return over(1);
  }
  // A draining node has said when; the others wait ever longer, and not all of them equally long.
  again(code === 1001 && afterMs !== undefined ? Math.random() * 250 : undefined);
}

function again(waitMs = Math.random() * Math.min(MAX_WAIT_MS, 500 * 2 ** failures)) {
  failures += 1;
  console.log(`again in ${Math.round(waitMs)} ms`);
  timer = setTimeout(connect, waitMs);
}

function over(exitCode) {
  isOver = true;
  process.exitCode = exitCode;
  clearTimeout(timer);
  call?.end();
  client.close();
}

async function devToken() {
  const response = await fetch(`${AERIE_URL}/dev/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`no token (${response.status}): set AERIE_TOKEN outside dev mode`);
  return (await response.json()).token;
}
