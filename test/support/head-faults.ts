import type { FrontFault } from './front-fault.js';
import type { HeadFault } from './head-front.js';

const isPost = (asked: string): boolean => asked.startsWith('POST');
const without = (head: string, name: string): string =>
  head.replaceAll(new RegExp(`\r\n${name}:[^\r]*`, 'gi'), '');
const lineOf = (head: string, name: string): string =>
  new RegExp(`\r\n${name}: *([^\r]*)`, 'i').exec(head)?.[1] ?? '';
const isOpened = (head: string): boolean => head.startsWith('HTTP/1.1 101');

export const HEAD_FAULTS: readonly FrontFault<HeadFault>[] = [
  [
    'loses credentials',
    { asks: (head) => without(head, 'authorization') },
    ['handshake.accepted', 'ticket.issued'],
  ],
  [
    'agrees to what nobody knows',
    { answers: (head) => `${head}\r\nSec-WebSocket-Extensions: x-conformance` },
    ['handshake.extensions'],
  ],
  ['takes any origin', { asks: (head) => without(head, 'origin') }, ['handshake.origin']],
  ['has one path', { asks: (head) => head.replace(/^GET \S+/, 'GET /ws') }, ['handshake.unknown-path']],
  [
    'mends upgrades',
    {
      asks: (head) =>
        `${without(without(head, 'sec-websocket-key'), 'sec-websocket-version')}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13`,
    },
    ['handshake.malformed', 'handshake.version'],
  ],
  [
    'answers dry runs with 200',
    { answers: (head) => head.replace(' 426 ', ' 200 ') },
    ['dry-run.admitted', 'ticket.dry-run'],
  ],
  [
    'refuses with 403',
    { answers: (head) => head.replace(' 401 ', ' 403 ') },
    [
      'handshake.unauthenticated',
      'dry-run.refused',
      'credentials.first-decides',
      'credentials.twice',
      'credentials.size',
      'credentials.query-token',
      'ticket.single-use',
    ],
  ],
  [
    'says no subprotocol',
    { answers: (head) => without(head, 'sec-websocket-protocol') },
    ['subprotocol.selected', 'subprotocol.other', 'subprotocol.bearer', 'subprotocol.bearer-alone'],
  ],
  [
    'says one unasked',
    {
      answers: (head) =>
        isOpened(head) && lineOf(head, 'sec-websocket-protocol') === ''
          ? `${head}\r\nSec-WebSocket-Protocol: aerie.v1.json`
          : head,
    },
    ['subprotocol.none'],
  ],
  [
    'says the credential again',
    { answers: (head, asked) => `${head}\r\nX-You-Said: ${lineOf(asked, 'authorization')}` },
    ['credentials.not-echoed'],
  ],
  [
    'sells tickets for tickets',
    { answers: (head, asked) => (isPost(asked) ? head.replace(/ 40[13] /, ' 200 ') : head) },
    ['ticket.buys-none'],
  ],
];
