import { RULES } from '@aerie/realtime/testing';
import type { Fault } from './tiny-server.js';

/** What the tiny server has of the protocol. */
const KEPT = [
  'handshake.accepted',
  'handshake.unauthenticated',
  'subprotocol.selected',
  'subprotocol.none',
  'subprotocol.bearer',
  'subprotocol.bearer-alone',
  'welcome.first',
  'welcome.fields',
  'message.id-echo',
  'message.id-invalid',
  'message.unknown-event',
  'ping.reply',
  'bad-frame.answered',
  'bad-frame.small',
  'bad-frame.no-echo',
  'bad-frame.depth',
  'frame.size',
  'wire.fragments',
  'wire.binary',
  'wire.ping',
  'wire.goodbye',
  'subscribe.reply',
  'subscribe.twice',
  'subscribe.forbidden',
  'subscribe.reply-first',
  'unsubscribe.reply',
  'unsubscribe.ends',
  'publish.reply',
  'publish.subscribers',
  'publish.own',
  'publish.order',
  'publish.repeat',
];

type FaultFound = readonly [Fault, readonly string[]];

const STREAM_FAULTS: readonly FaultFound[] = [
  ['lets proxies collect', ['sse.accepted']],
  [
    'lets everybody in',
    ['sse.refused', 'send.foreign', 'send.credential', 'poll.refused', 'poll.credential'],
  ],
  ['has no proofs', ['sse.welcome', 'send.proof', 'send.renewal', 'poll.credential']],
  ['names no forbidden channels', ['sse.subscribed']],
  ['takes any number of channels', ['sse.channels']],
  ['takes any id', ['sse.foreign-id']],
  ['forgets places', ['sse.resume', 'sse.resume-query', 'poll.resume']],
  ['gives no ids', ['sse.publications', 'sse.resume', 'sse.resume-query']],
  ['ends without a word', ['sse.close', 'poll.close']],
  ['takes a seq again', ['send.repeat']],
  ['takes gaps', ['send.gap']],
  ['believes names', ['send.foreign']],
  ['takes any body', ['send.invalid']],
  ['takes large messages', ['send.too-large']],
  ['makes up connections', ['send.session-gone']],
  ['drops batches', ['poll.repeat']],
  ['takes any cursor', ['poll.cursor']],
  ['lets several polls wait', ['poll.newest']],
  ['polls say nothing at first', ['poll.opening']],
  ['keeps who left polling', ['poll.goodbye']],
  ['answers polls at once', ['poll.waits', 'poll.hold']],
  ['counts empty batches', ['poll.hold']],
  ['answers backwards', ['send.replies']],
  ['has no heartbeat', ['sse.heartbeat']],
];

const FAULTS: readonly FaultFound[] = [
  ['refuses with 403', ['handshake.unauthenticated']],
  ['echoes the bearer', ['subprotocol.bearer']],
  ['answers before $welcome', ['welcome.first']],
  ['makes numbers of ids', ['message.id-echo']],
  [
    'drops bad frames',
    ['message.id-invalid', 'bad-frame.answered', 'bad-frame.small', 'bad-frame.no-echo', 'bad-frame.depth'],
  ],
  ['echoes bad frames', ['bad-frame.no-echo']],
  ['makes long errors', ['bad-frame.small']],
  ['closes without a reason', ['frame.size']],
  ['tells what exists', ['subscribe.forbidden']],
  ['keeps who left', ['unsubscribe.ends']],
  ['skips the sender', ['subscribe.twice', 'unsubscribe.ends', 'publish.own', 'publish.order']],
  ['believes the client', ['publish.subscribers']],
  ['repeats itself', ['publish.repeat']],
  ['reverses bursts', ['publish.order', 'publish.repeat']],
];

const PACKING_FAULTS: readonly FaultFound[] = [
  ['prefers JSON', ['msgpack.selected']],
  ['answers in text', ['msgpack.frames']],
  ['takes text where it packs', ['msgpack.text']],
  ['takes integer keys', ['msgpack.values']],
  ['sends bytes as base64', ['msgpack.bytes']],
  ['closes without a reason', ['msgpack.size']],
];

const PAGE_FAULTS: readonly FaultFound[] = [
  ['begins with the oldest', ['events.newest']],
  ['brings what is there already', ['events.after']],
  ['goes on across epochs', ['events.foreign-epoch']],
  ['ignores tags', ['events.unchanged']],
  ['tags every page', ['events.more']],
  ['lets anybody keep pages', ['events.private']],
  ['lets everybody in', ['events.refused']],
  ['has no proofs', ['events.proof']],
  ['takes any origin', ['events.origin']],
  ['tells what exists', ['events.forbidden']],
  ['takes any query', ['events.invalid']],
  ['makes up histories', ['events.without-history']],
];

const COMPRESSION_FAULTS: readonly FaultFound[] = [
  ['agrees to windows', ['compression.agreed']],
  ['keeps a window', ['compression.frames']],
  ['closes without a reason', ['compression.size']],
  ['blames itself', ['compression.size', 'compression.garbage', 'compression.unasked']],
  ['refuses odd offers', ['compression.unknown-offer']],
];

const GRPC_FAULTS: readonly FaultFound[] = [
  ['is another transport', ['grpc.welcome']],
  ['refuses with 403', ['ticket.grpc', 'grpc.refused']],
  ['lets everybody in', ['grpc.refused', 'grpc.publish-refused']],
  ['takes any origin', ['grpc.origin']],
  ['knows every event', ['grpc.replies']],
  ['drops bad frames', ['grpc.bad-frame']],
  ['closes without a reason', ['grpc.size']],
  ['believes the client', ['grpc.publications']],
  ['tells what exists', ['grpc.forbidden']],
  ['forgets places', ['grpc.resume', 'grpc.deadline']],
  ['takes no deadlines', ['grpc.deadline']],
  ['takes goodbyes for losses', ['grpc.goodbye']],
  ['ends without a word', ['grpc.size', 'grpc.close']],
  ['has every method', ['grpc.unknown-method']],
  ['repeats itself', ['grpc.publish']],
  ['describes nothing', ['grpc.reflection']],
  ['is never healthy', ['grpc.health']],
  ['takes tickets again', ['ticket.grpc']],
];

/** Parts of the protocol, and what a server may get wrong there. */
export const PARTS: readonly {
  readonly part: string;
  readonly rules: readonly string[];
  readonly faults: readonly FaultFound[];
}[] = [
  { part: 'WebSockets', rules: KEPT, faults: FAULTS },
  { part: 'MessagePack', rules: rulesOver('msgpack'), faults: PACKING_FAULTS },
  {
    part: 'compression',
    rules: [...rulesOver('compression'), 'compression.unasked'],
    faults: COMPRESSION_FAULTS,
  },
  { part: 'HTTP', rules: rulesOver('sse', 'send', 'long-polling'), faults: STREAM_FAULTS },
  {
    part: 'gRPC',
    rules: RULES.filter(({ needs = [] }) => needs.includes('grpcUrl')).map(({ name }) => name),
    faults: GRPC_FAULTS,
  },
  { part: 'short polling', rules: rulesOver('short-polling'), faults: PAGE_FAULTS },
];

/** Rules that are about one of these transports before any other. */
function rulesOver(...transports: readonly string[]): readonly string[] {
  return RULES.filter(({ over = [] }) => transports.includes([over].flat()[0] ?? '')).map(({ name }) => name);
}
