// Reads a channel over gRPC and comes back where it was, however the connection ended:
//
//   npm i @grpc/grpc-js @grpc/proto-loader
//   GRPC_PORT=50051 npm start
//   node examples/grpc/client.mjs 127.0.0.1:50051 public:lobby "$TOKEN"
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [address = '127.0.0.1:50051', channel = 'public:lobby', token = ''] = process.argv.slice(2);
const PROTO = fileURLToPath(new URL('../../libs/realtime/proto/aerie/v1/realtime.proto', import.meta.url));
const { aerie } = loadPackageDefinition(loadSync(PROTO, { keepCase: true, longs: Number, defaults: true }));
/** What a client does not come back from. */
const FINAL = new Set([1000, 1008, 1009, 4403]);
const MAX_WAIT_MS = 30_000;

const client = new aerie.v1.Realtime(address, credentials.createInsecure());
/** The last publication that was seen: what is missed is what comes after it. */
let position;
let failures = 0;

connect();

function connect() {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = client.Connect(metadata);
  let closedWith;
  let waitMs;
  const take = ({ event, data, offset, from }) => {
    console.log(`${offset || '-'} ${event} ${data}${from && ` (${from})`}`);
    if (offset > 0 && position) position = { ...position, offset };
  };

  call.on('data', (frame) => {
    const data = frame.data === '' ? undefined : JSON.parse(frame.data);
    if (frame.event === '$welcome') {
      failures = 0;
      const subscription = JSON.stringify({ channel, position });
      call.write({ event: '$subscribe', id: 'subscribe', data: subscription });
    } else if (frame.id === 'subscribe') {
      if (frame.error) {
        console.error(`${frame.error.code}: ${frame.error.message}`);
        call.end();
        return;
      }
      if (data.recovered === false) console.log('too much was missed: read the state anew');
      for (const missed of data.publications ?? [])
        take({ from: '', ...missed, data: JSON.stringify(missed.data) });
      if (data.epoch) position = { epoch: data.epoch, offset: data.offset };
    } else if (frame.event === '$resync' && data.channel === channel) {
      console.log('too much was missed: read the state anew');
      position = { epoch: data.epoch, offset: data.offset };
    } else if (frame.event === '$reconnect') waitMs = data.afterMs;
    else if (frame.event === '$close') closedWith = data.code;
    else if (frame.channel === channel) take(frame);
  });
  call.on('error', () => undefined);
  call.on('status', ({ code, details }) => {
    if (FINAL.has(closedWith) || code === 16 || code === 7) {
      console.log(`over: ${details || 'goodbye'}`);
      client.close();
      return;
    }
    failures += 1;
    // A draining node has said when; else ever more slowly, and not all at once.
    const backOffMs = Math.min(MAX_WAIT_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
    setTimeout(connect, closedWith === 1001 ? Math.min(waitMs ?? 0, 250) : backOffMs);
  });
  process.once('SIGINT', () => call.end());
}
