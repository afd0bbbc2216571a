import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { CLOSE, decodeMessage, type ErrorCode, LIMITS, type Message, type MessageId } from '@aerie/protocol';
import { type GrpcFault, TinyGrpc } from './tiny-grpc.js';
import { type KeptPublication, type Publication, TinyHistories } from './tiny-histories.js';
import { packed, type PackingFault, unpacked } from './tiny-packing.js';
import { deflateOf, type CompressionFault, keepWindow, understood } from './tiny-compression.js';
import type { PageFault } from './tiny-pages.js';
import { type StreamFault, TinyStreams } from './tiny-streams.js';
import { WebSocket, WebSocketServer } from 'ws';

/** What a server may get wrong. */
export type Fault =
  | 'refuses with 403'
  | 'echoes the bearer'
  | 'answers before $welcome'
  | 'makes numbers of ids'
  | 'drops bad frames'
  | 'echoes bad frames'
  | 'makes long errors'
  | 'closes without a reason'
  | 'tells what exists'
  | 'keeps who left'
  | 'skips the sender'
  | 'believes the client'
  | 'repeats itself'
  | 'reverses bursts'
  | 'speaks no JSON'
  | 'never welcomes'
  | 'blames itself'
  | 'has nothing but JSON over WebSockets'
  | CompressionFault
  | GrpcFault
  | PackingFault
  | PageFault
  | StreamFault;

const PACKED = 'aerie.v1.msgpack';
const MAX_FRAME_BYTES = 1_024;
const USERS = ['ann', 'bob'];

interface Received {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

interface Publishing {
  readonly channel: string;
  readonly event: string;
  readonly data?: unknown;
  readonly from?: string;
  readonly idempotencyKey?: string;
}

/** Another implementation of a part of the protocol, which can be told to get one thing wrong. A user's token is its name. */
export class TinyServer {
  readonly #http: Server = createServer();
  readonly #sockets: WebSocketServer;
  readonly #channels = new Map<string, Map<WebSocket, string>>();
  readonly #published = new Set<string>();
  readonly #histories = new TinyHistories();
  readonly #streams: TinyStreams;
  readonly #grpc: TinyGrpc;
  readonly #fault: Fault | undefined;

  private constructor(fault?: Fault) {
    this.#fault = fault;
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (all) => this.#protocolOf(all),
      perMessageDeflate: !this.#hasJsonOnly && deflateOf(fault),
    });
    this.#streams = new TinyStreams(this.#histories, fault);
    this.#grpc = new TinyGrpc(
      {
        histories: this.#histories,
        publish: (publication) => this.#announce(publication),
        redeem: (ticket) => this.#streams.redeem(ticket),
      },
      fault,
    );
    this.#http.on('request', (request, response) => {
      if (this.#hasJsonOnly) response.writeHead(404).end();
      else this.#streams.handle(request, response);
    });
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  static async start(fault?: Fault): Promise<TinyServer> {
    const server = new TinyServer(fault);
    await Promise.all([once(server.#http.listen(0, '127.0.0.1'), 'listening'), server.#grpc.listen()]);
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
  }

  get grpcUrl(): string {
    return this.#grpc.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#grpc.close();
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, 'close');
  }

  get #hasJsonOnly(): boolean {
    return this.#fault === 'has nothing but JSON over WebSockets';
  }

  #protocolOf(offered: ReadonlySet<string>): string | false {
    const names = [...offered];
    const bearer = names.find(isBearer);
    if (this.#fault === 'echoes the bearer' && bearer !== undefined) return bearer;
    const packs = !this.#hasJsonOnly && offered.has(PACKED);
    if (packs && this.#fault !== 'prefers JSON') return PACKED;
    if (offered.has('aerie.v1.json')) return 'aerie.v1.json';
    return names.find((name) => !isBearer(name)) ?? bearer ?? false;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { authorization = '', 'sec-websocket-protocol': protocols = '' } = request.headers;
    const token = /^Bearer (.*)$/.exec(authorization)?.[1] ?? /aerie\.bearer\.(\w+)/.exec(protocols)?.[1];
    const user = USERS.find((name) => name === token);
    if (user === undefined) return void socket.end(this.#refusal());
    if (this.#fault !== 'refuses odd offers' && !understood(request))
      delete request.headers['sec-websocket-extensions'];
    this.#sockets.handleUpgrade(request, socket, head, (accepted) => this.#open(accepted, user));
  }

  #refusal(): string {
    const status = this.#fault === 'refuses with 403' ? '403 Forbidden' : '401 Unauthorized';
    const body = '{"error":{"code":"unauthenticated","message":"no"}}';
    const length = `content-length: ${body.length}`;
    return [`HTTP/1.1 ${status}`, 'www-authenticate: Bearer', length, 'connection: close', '', body].join(
      '\r\n',
    );
  }

  #open(socket: WebSocket, user: string): void {
    // `close` follows.
    socket.on('error', () => undefined);
    if (this.#fault === 'keeps a window') keepWindow(socket);
    if (this.#fault === 'blames itself') blameItself(socket);
    const welcome = (): void => this.#send(socket, { event: '$welcome', data: welcomeOf(user) });
    if (this.#fault === 'answers before $welcome') setTimeout(welcome, 50);
    else if (this.#fault === 'speaks no JSON') socket.send('hello');
    else if (this.#fault !== 'never welcomes') welcome();
    socket.on('message', (data: Buffer, isBinary) => this.#read(socket, user, { data, isBinary }));
    socket.on('close', () => {
      for (const members of this.#channels.values()) members.delete(socket);
    });
  }

  #read(socket: WebSocket, user: string, frame: Received): void {
    const { data } = frame;
    if (data.byteLength > MAX_FRAME_BYTES)
      return socket.close(
        CLOSE.tooLarge.code,
        this.#fault === 'closes without a reason' ? '' : CLOSE.tooLarge.reason,
      );
    const text = this.#textOf(socket, frame);
    const decoded = decodeMessage(text);
    if (decoded.ok) return this.#handle(socket, user, decoded.message);
    if (this.#fault === 'drops bad frames') return;
    const said = this.#complaint(decoded.error.message, text);
    const error = { code: decoded.error.code, message: said };
    const isSmall = JSON.stringify(decoded.id ?? '').length <= LIMITS.idBytes + 2;
    this.#send(socket, isSmall ? { id: decoded.id, error } : { error });
  }

  #textOf(socket: WebSocket, { data, isBinary }: Received): string {
    if (socket.protocol !== PACKED || this.#hasJsonOnly) return data.toString('utf8');
    if (isBinary) return unpacked(data, this.#fault);
    return this.#fault === 'takes text where it packs' ? data.toString('utf8') : 'no binary frame';
  }

  #complaint(message: string, text: string): string {
    if (this.#fault === 'echoes bad frames') return `not good: ${text.slice(0, 60)}`;
    return this.#fault === 'makes long errors' ? message.padEnd(LIMITS.errorFrameBytes) : message;
  }

  #handle(socket: WebSocket, user: string, { event, data, id: given }: Message): void {
    const id = this.#fault === 'makes numbers of ids' && given === '7' ? 7 : given;
    const fail = (code: ErrorCode): void =>
      this.#send(socket, { id, error: { code, message: `it is ${code}` } });
    const body = data as Publishing;
    if (event === '$ping')
      return this.#send(socket, { id, event: '$pong', data: { serverTime: Date.now() } });
    if (!/^\$(subscribe|unsubscribe|publish)$/.test(event)) return fail('unknown_event');
    if (!body.channel.startsWith('public:'))
      return fail(
        this.#fault === 'tells what exists' && !body.channel.startsWith('user:') ? 'not_found' : 'forbidden',
      );
    if (event === '$subscribe') this.#members(body.channel).set(socket, user);
    if (event === '$unsubscribe' && this.#fault !== 'keeps who left')
      this.#members(body.channel).delete(socket);
    this.#reply(socket, id, { channel: body.channel });
    if (event === '$publish') this.#publish(socket, user, body);
  }

  #reply(socket: WebSocket, id: MessageId | undefined, data: unknown): void {
    if (id !== undefined) this.#send(socket, { id, data });
  }

  #publish(sender: WebSocket, user: string, publishing: Publishing): void {
    const { channel, event, data, from, idempotencyKey } = publishing;
    const key = `${user} ${channel} ${idempotencyKey}`;
    if (idempotencyKey !== undefined && this.#published.has(key) && this.#fault !== 'repeats itself') return;
    this.#published.add(key);
    const believed = this.#fault === 'believes the client' ? (from ?? user) : user;
    // The higher the number, the sooner it goes out.
    const waitMs = this.#fault === 'reverses bursts' ? 100 - Number(data) : 0;
    const announce = (): unknown => this.#announce({ channel, event, data, from: believed }, sender);
    if (waitMs > 0) setTimeout(announce, waitMs);
    else announce();
  }

  #announce(publication: Publication, sender?: WebSocket): KeptPublication {
    const kept = this.#histories.append(publication);
    for (const socket of this.#members(kept.channel).keys())
      if (socket !== sender || this.#fault !== 'skips the sender') this.#send(socket, kept);
    this.#streams.publish(kept);
    this.#grpc.bring(kept);
    return kept;
  }

  #members(channel: string): Map<WebSocket, string> {
    const members = this.#channels.get(channel) ?? new Map<WebSocket, string>();
    this.#channels.set(channel, members);
    return members;
  }

  #send(socket: WebSocket, frame: object): void {
    const isText = this.#fault === 'answers in text' && 'event' in frame && frame.event === '$pong';
    const packs = socket.protocol === PACKED && !this.#hasJsonOnly && !isText;
    socket.send(packs ? packed(frame, this.#fault) : JSON.stringify(frame));
  }
}

function blameItself(socket: WebSocket): void {
  socket.close = () => WebSocket.prototype.close.call(socket, CLOSE.serverFault.code);
}

function isBearer(name: string): boolean {
  return name.startsWith('aerie.bearer.');
}

function welcomeOf(user: string): object {
  return {
    connection: randomUUID(),
    user,
    node: 'tiny',
    expiresAt: null,
    heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
    maxFrameBytes: MAX_FRAME_BYTES,
    transport: 'websocket',
    channels: { [`user:${user}`]: {} },
  };
}
