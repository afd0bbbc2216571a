import type { Frame, FrameFault } from './frame-front.js';
import type { FrontFault } from './front-fault.js';

/** A frame with these of its fields in data. */
const withData = (frame: Frame, fields: object): object => ({
  ...frame,
  data: { ...dataOf(frame), ...fields },
});
const dataOf = ({ data }: Frame): Readonly<Record<string, unknown>> =>
  typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
const isReply = ({ id }: Frame): boolean => id !== undefined;
const isPublication = ({ channel }: Frame): boolean => channel !== undefined;
const isSystem = ({ event = '' }: Frame): boolean => event.startsWith('$');

/** Changes some of the frames to the client. */
function down(which: (frame: Frame) => boolean, change: (frame: Frame) => object): FrameFault {
  return () => ({ down: (frame) => [which(frame) ? change(frame) : frame] });
}

/** Changes what the client sends where it is a message. */
function up(change: (message: Record<string, unknown>) => object): FrameFault {
  return () => ({ up: (text) => [changed(text, change)] });
}

function changed(text: string, change: (message: Record<string, unknown>) => object): string {
  const message = messageIn(text);
  return message === undefined ? text : JSON.stringify(change(message));
}

function messageIn(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Offsets are twice as large wherever they stand, so that there are holes. */
function withHoles(frame: Frame): object {
  return JSON.parse(JSON.stringify(frame), doubled) as object;
}

function doubled(key: string, value: unknown): unknown {
  return key === 'offset' ? Number(value) * 2 : value;
}

/** Each reply behind the one that follows it. */
function inPairs(): FrameFault {
  return () => {
    const held: Frame[] = [];
    return {
      down: (frame) => {
        if (!isReply(frame)) return [frame];
        held.push(frame);
        return held.length < 2 ? [] : held.splice(0).toReversed();
      },
    };
  };
}

/** The reply to the subscription of `subscribe.reply-first` behind the channel's publication that follows it. */
function lateReply(): FrameFault {
  return () => {
    let held: Frame | undefined;
    return {
      down: (frame) => {
        if (frame.id === 'sub') return ((held = frame), []);
        // The user's own channel may have others at the same time.
        if (!held || frame.channel !== dataOf(held)['channel']) return [frame];
        const reply = held;
        held = undefined;
        return [frame, reply];
      },
    };
  };
}

/** A subscription behind the message that follows it. */
function lateSubscription(): FrameFault {
  return () => {
    const held: string[] = [];
    return {
      up: (text) => (text.includes('"$subscribe"') ? (held.push(text), []) : [text, ...held.splice(0)]),
    };
  };
}

/** All replies behind the one of the slow handler. */
function behindHandlers(): FrameFault {
  return () => {
    const held: Frame[] = [];
    let slow: unknown;
    return {
      up: (text) => {
        const message = messageIn(text);
        if (message?.['event'] === 'slow') slow = message['id'];
        return [text];
      },
      down: (frame) => {
        if (slow === undefined) return [frame];
        if (frame.id !== slow) return (held.push(frame), []);
        slow = undefined;
        return [frame, ...held.splice(0)];
      },
    };
  };
}

/** A key counts for every user. */
function oneNamespace(): FrameFault {
  const seen = new Set<unknown>();
  return up((message) => {
    const { idempotencyKey } = Object(message['data']) as { idempotencyKey?: unknown };
    if (idempotencyKey === undefined || !seen.has(idempotencyKey)) {
      seen.add(idempotencyKey);
      return message;
    }
    return { id: message['id'], event: '$ping' };
  });
}

let connections = 0;

export const FRAME_FAULTS: readonly FrontFault<FrameFault>[] = [
  [
    'says little at first',
    down(
      ({ event }) => event === '$welcome',
      ({ event, data }) => ({ event, data: { user: Object(data).user as unknown } }),
    ),
    ['welcome.fields', 'welcome.user-channel'],
  ],
  [
    'has one id for all connections',
    down(
      ({ event }) => event === '$welcome',
      (frame) => withData(frame, { connection: 'same' }),
    ),
    ['welcome.connections'],
  ],
  [
    'knows nobody again',
    down(
      ({ event }) => event === '$welcome',
      (frame) => withData(frame, { user: `user-${(connections += 1)}` }),
    ),
    ['first-message.welcome', 'ticket.issued'],
  ],
  [
    'does not tell when sessions end',
    down(isReply, (frame) => ('expiresAt' in dataOf(frame) ? { ...frame, data: {} } : frame)),
    ['first-message.accepted', 'auth.renews'],
  ],
  [
    'closes in its own way',
    () => ({ closes: () => ({ code: 4999, reason: 'because' }) }),
    [
      'first-message.bad-token',
      'first-message.other',
      'first-message.size',
      'first-message.timeout',
      'bad-frame.persistent',
      'rate.limit',
      'frame.size',
      'auth.failures',
      'auth.other-user',
      'backend.disconnect',
      'backend.session-ended',
    ],
  ],
  [
    'gives no reason for a close',
    () => ({ closes: ({ code }) => ({ code, reason: '' }) }),
    ['wire.not-utf8', 'wire.unmasked', 'frame.size'],
  ],
  ['hangs up', () => ({ opens: (socket) => (socket.close = () => socket.terminate()) }), ['wire.goodbye']],
  ['answers no pings', () => ({ opens: (socket) => (socket.pong = () => undefined) }), ['wire.ping']],
  [
    'knows ASCII only',
    () => ({ up: (text) => (text.includes('ü') ? [] : [text]) }),
    ['wire.fragments', 'wire.binary'],
  ],
  [
    'says everything twice',
    () => ({ down: (frame) => [frame, frame] }),
    ['welcome.first', 'message.one-reply', 'subscribe.twice', 'publish.repeat', 'presence.once'],
  ],
  [
    'answers what wants no answer',
    up((message) => ({ id: 'unasked', ...message })),
    ['message.no-id', 'message.error-without-id', 'ping.reply'],
  ],
  [
    'has one code for every error',
    down(
      ({ error }) => error !== undefined,
      (frame) => ({ ...frame, error: { code: 'internal', message: 'no' } }),
    ),
    [
      'message.id-invalid',
      'message.event-name',
      'message.unknown-event',
      'message.system-event',
      'message.error-reply',
      'bad-frame.answered',
      'auth.failure',
      'subscribe.name',
      'subscribe.forbidden',
      'subscribe.limit',
      'unsubscribe.own',
      'publish.key',
      'publish.event',
      'publish.forbidden',
      'history.limits',
      'history.without-subscription',
      'recovery.position',
      'presence.limits',
      'presence.without-subscription',
      'plain.history',
      'plain.presence',
    ],
  ],
  [
    'forgets the ids of errors',
    down(
      ({ error }) => error !== undefined,
      (frame) => ({ ...frame, id: undefined }),
    ),
    ['bad-frame.id'],
  ],
  [
    'takes no unknown fields',
    () => ({ up: (text) => [text.includes('"future"') ? 'garbage{' : text] }),
    ['message.unknown-fields'],
  ],
  [
    'does not say which channel',
    down(isReply, (frame) => withData(frame, { channel: undefined })),
    ['subscribe.reply', 'unsubscribe.reply', 'publish.reply'],
  ],
  ['answers late', lateReply(), ['subscribe.reply-first']],
  ['lets others overtake $subscribe', lateSubscription(), ['unsubscribe.order']],
  ['makes null of nothing', down(isPublication, (frame) => ({ data: null, ...frame })), ['publish.no-data']],
  ['has one namespace for keys', oneNamespace(), ['publish.repeat-of-another']],
  [
    'has no epochs',
    down(isReply, (frame) => withData(frame, { epoch: undefined })),
    ['history.position', 'recovery.foreign-epoch'],
  ],
  [
    'counts with holes',
    down(() => true, withHoles),
    ['history.offsets', 'history.newest', 'history.pages', 'recovery.true', 'recovery.nothing-missed'],
  ],
  [
    'always claims to have recovered',
    down(
      (frame) => dataOf(frame)['recovered'] === false,
      (frame) => withData(frame, { recovered: true }),
    ),
    ['recovery.foreign-epoch', 'recovery.ahead', 'plain.recovery'],
  ],
  [
    'has no members',
    down(
      (frame) => 'presence' in dataOf(frame),
      (frame) => withData(frame, { presence: { version: 1, members: [] } }),
    ),
    ['presence.reply', 'presence.later'],
  ],
  [
    'has one version of everything',
    down(
      (frame) => 'version' in dataOf(frame),
      (frame) => withData(frame, { version: 1 }),
    ),
    ['presence.join-leave'],
  ],
  [
    'tells everybody who comes',
    up((message) =>
      message['event'] === '$subscribe'
        ? { ...message, data: { ...(message['data'] as object), presence: true } }
        : message,
    ),
    ['presence.asked-only'],
  ],
  ['never has more', down(isReply, (frame) => withData(frame, { more: undefined })), ['presence.pages']],
  ['makes up offsets', down(isPublication, (frame) => ({ ...frame, offset: 1 })), ['plain.publication']],
  [
    'names a publisher always',
    down(isPublication, (frame) => ({ from: 'somebody', ...frame })),
    ['backend.publication', 'backend.user-channel'],
  ],
  [
    'makes publications of all events',
    down(
      (frame) => !isReply(frame) && !isSystem(frame),
      (frame) => ({ channel: 'all', ...frame }),
    ),
    ['backend.direct-event'],
  ],
  [
    'gives no reasons',
    down(
      ({ event }) => event === '$unsubscribed',
      (frame) => withData(frame, { reason: undefined }),
    ),
    ['backend.unsubscribe'],
  ],
  ['answers in pairs', inPairs(), ['order.replies']],
  ['lets all wait for handlers', behindHandlers(), ['order.ping']],
  [
    'reads on',
    (answer) => ({
      up: (text) => {
        const { event, id } = messageIn(text) ?? {};
        if (event !== '$ping') return [text];
        answer({ id, event: '$pong', data: { serverTime: 0 } });
        return [];
      },
    }),
    ['order.waiting'],
  ],
  [
    'never says that it is done',
    down(isReply, (frame) => ({ ...frame, done: undefined })),
    ['stream.more-done'],
  ],
];
