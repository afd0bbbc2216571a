import { fileURLToPath } from 'node:url';
import { CLOSE, type Close } from '@aerie/protocol';
import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  type ServiceClientConstructor,
  type ServiceDefinition,
  status as STATUS,
} from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { EPOCH, type KeptPublication, type Publication, type TinyHistories } from './tiny-histories.js';

/** What the part over gRPC may get wrong. */
export type GrpcFault =
  | 'is another transport'
  | 'knows every event'
  | 'takes goodbyes for losses'
  | 'takes no deadlines'
  | 'has every method'
  | 'describes nothing'
  | 'is never healthy'
  | 'takes tickets again';

export const API_KEY = 'the-key';

const PROTO = fileURLToPath(new URL('../../libs/realtime/proto', import.meta.url));
const FILES = [
  'aerie/v1/realtime.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];
const MAX_FRAME_BYTES = 1_024;
const NO_FRAME: Fields = { event: '', id: '', data: '' };
const SERVICE = 'aerie.v1.Realtime';

type Fields = Readonly<Record<string, unknown>>;
type Stream = ServerDuplexStream<Fields, Fields>;

const types = loadSync(FILES, {
  includeDirs: [PROTO],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});
const definitions = loadPackageDefinition(types);

/** What the rest of the tiny server does for this part. */
export interface Surroundings {
  readonly histories: TinyHistories;
  readonly publish: (publication: Publication) => KeptPublication;
  /** Whose a ticket is. */
  readonly redeem: (ticket: string) => string | undefined;
}

interface Peer {
  readonly user: string;
  readonly stream: Stream;
  readonly channels: Set<string>;
}

interface Asked {
  readonly channel: string;
  readonly event: string;
  readonly data?: unknown;
  readonly from?: string;
  readonly position?: { readonly offset: number };
  readonly token?: string;
}

/** `aerie.v1.Realtime` of another implementation, on the official library. */
export class TinyGrpc {
  readonly #server = new Server();
  readonly #peers = new Set<Peer>();
  readonly #keys = new Map<string, KeptPublication>();
  readonly #around: Surroundings;
  readonly #fault: string | undefined;
  #port = 0;

  constructor(around: Surroundings, fault?: string) {
    this.#around = around;
    this.#fault = fault;
    this.#server.addService(lenient(serviceNamed(SERVICE)), {
      Connect: (stream: Stream) => this.#connect(stream),
      Publish: (call: ServerUnaryCall<Fields, Fields>, done: sendUnaryData<Fields>) =>
        this.#publish(call, done),
      Conformance: (_call: unknown, done: sendUnaryData<Fields>) => done(null, {}),
    });
    if (!this.#is('has every method')) this.#server.unregister(`/${SERVICE}/Conformance`);
    this.#server.addService(serviceNamed('grpc.health.v1.Health'), { Check: this.#check.bind(this) });
    if (!this.#is('describes nothing'))
      this.#server.addService(serviceNamed('grpc.reflection.v1.ServerReflection'), {
        ServerReflectionInfo: reflect,
      });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    this.#port = await promise;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  bring(publication: KeptPublication): void {
    for (const peer of this.#peers)
      if (peer.channels.has(publication.channel)) send(peer.stream, { ...publication });
  }

  #connect(stream: Stream): void {
    stream.on('error', () => undefined);
    const user = this.#userOf(stream.metadata);
    const isForeign = stream.metadata.get('origin').length > 0 && !this.#is('takes any origin');
    if (user === undefined) return this.#refuse(stream);
    if (isForeign) return end(stream, STATUS.PERMISSION_DENIED, 'forbidden');
    if (this.#is('takes no deadlines') && Number.isFinite(stream.getDeadline()))
      return end(stream, STATUS.INVALID_ARGUMENT, 'invalid');
    const peer: Peer = { user, stream, channels: new Set() };
    this.#peers.add(peer);
    const transport = this.#is('is another transport') ? 'websocket' : 'grpc';
    send(stream, { event: '$welcome', data: { user, transport, maxFrameBytes: MAX_FRAME_BYTES } });
    stream.on('data', (frame: Fields) => this.#read(peer, frame));
    stream.on('close', () => this.#peers.delete(peer));
    stream.on('end', () => this.#goodbye(stream));
  }

  #userOf(metadata: Metadata): string | undefined {
    const [authorization = '', ticket = ''] = ['authorization', 'aerie-ticket'].map((name) =>
      metadata.get(name).map(String).at(0),
    );
    if (ticket !== '') return this.#around.redeem(ticket);
    if (this.#is('lets everybody in')) return 'ann';
    return ['ann', 'bob'].find((name) => authorization === `Bearer ${name}`);
  }

  #refuse(stream: Stream): void {
    if (this.#is('refuses with 403')) end(stream, STATUS.PERMISSION_DENIED, 'forbidden');
    else end(stream, STATUS.UNAUTHENTICATED, 'unauthenticated');
  }

  #goodbye(stream: Stream): void {
    if (this.#is('takes goodbyes for losses')) end(stream, STATUS.CANCELLED, '1006');
    else stream.end();
  }

  #read(peer: Peer, frame: Fields): void {
    const { event, id, data } = frame as Record<'event' | 'id' | 'data', string>;
    if (data.length > MAX_FRAME_BYTES) return this.#close(peer, CLOSE.tooLarge, STATUS.RESOURCE_EXHAUSTED);
    const asked = data === '' ? {} : parsed(data);
    if (frame !== NO_FRAME && asked !== undefined)
      return this.#handle(peer, { event, id, asked: asked as Asked });
    if (!this.#is('drops bad frames')) fail(peer.stream, '', 'bad_frame');
  }

  #handle(peer: Peer, { event, id, asked }: { event: string; id: string; asked: Asked }): void {
    const { stream, channels } = peer;
    const { channel } = asked;
    if (event === '$ping') return send(stream, { event: '$pong', id, data: { serverTime: Date.now() } });
    if (event === '$auth') return this.#close(peer, CLOSE.policy, STATUS.FAILED_PRECONDITION);
    if (event !== '$subscribe' && event !== '$publish')
      return this.#is('knows every event')
        ? send(stream, { id, data: {} })
        : fail(stream, id, 'unknown_event');
    if (!channel.startsWith('public:'))
      return fail(
        stream,
        id,
        this.#is('tells what exists') && !channel.startsWith('user:') ? 'not_found' : 'forbidden',
      );
    if (event === '$subscribe') {
      send(stream, { id, data: this.#subscribed(asked) });
      channels.add(channel);
      return;
    }
    const from = this.#is('believes the client') ? (asked.from ?? peer.user) : peer.user;
    this.#around.publish({ channel, event: asked.event, data: asked.data, from });
    send(stream, { id, data: { channel } });
  }

  #subscribed({ channel, position }: Asked): Fields {
    const { histories } = this.#around;
    const offset = histories.end(channel);
    const place = { channel, epoch: EPOCH, offset };
    if (position === undefined) return place;
    if (this.#is('forgets places')) return { ...place, recovered: false };
    return { ...place, recovered: true, publications: histories.behind(channel, position.offset) };
  }

  #close({ stream }: Peer, { code, reason }: Close, status: number): void {
    const said = code === CLOSE.tooLarge.code && this.#is('closes without a reason') ? '' : reason;
    if (!this.#is('ends without a word')) send(stream, { event: '$close', data: { code, reason: said } });
    end(stream, status, String(code));
  }

  #publish({ request, metadata }: ServerUnaryCall<Fields, Fields>, done: sendUnaryData<Fields>): void {
    const isKnown = metadata.get('authorization').includes(`Bearer ${API_KEY}`);
    if (!isKnown && !this.#is('lets everybody in'))
      return done(statusOf(STATUS.UNAUTHENTICATED, 'unauthenticated'));
    const { channel, event, data, idempotency_key: key } = request as Record<string, string>;
    const seen = this.#is('repeats itself') ? undefined : this.#keys.get(`${channel} ${key}`);
    const publication = {
      channel: channel ?? '',
      event: event ?? '',
      data: parsed(data ?? ''),
    } as Publication;
    const kept = seen ?? this.#around.publish(publication);
    this.#keys.set(`${channel} ${key}`, kept);
    done(null, { channel, epoch: EPOCH, offset: kept.offset, duplicate: seen !== undefined });
  }

  #check({ request }: ServerUnaryCall<Fields, Fields>, done: sendUnaryData<Fields>): void {
    const { service } = request;
    if (service !== '' && service !== SERVICE) return done(statusOf(STATUS.NOT_FOUND, 'not_found'));
    done(null, { status: this.#is('is never healthy') ? 'NOT_SERVING' : 'SERVING' });
  }

  #is(
    fault:
      | GrpcFault
      | 'believes the client'
      | 'closes without a reason'
      | 'drops bad frames'
      | 'ends without a word'
      | 'forgets places'
      | 'lets everybody in'
      | 'refuses with 403'
      | 'repeats itself'
      | 'takes any origin'
      | 'tells what exists',
  ): boolean {
    return this.#fault === fault;
  }
}

function serviceNamed(name: string): ServiceDefinition {
  let found: unknown = definitions;
  for (const part of name.split('.')) found = (found as Fields)[part];
  return (found as ServiceClientConstructor).service;
}

/** With a method more; and what is no message does not end a call. */
function lenient(service: ServiceDefinition): ServiceDefinition {
  const { Connect, Publish } = service;
  if (Connect === undefined || Publish === undefined) throw new Error('another service');
  const deserialize = (bytes: Buffer): unknown => {
    try {
      return Connect.requestDeserialize(bytes);
    } catch {
      return NO_FRAME;
    }
  };
  return {
    Connect: { ...Connect, requestDeserialize: deserialize },
    Publish,
    Conformance: { ...Publish, path: `/${SERVICE}/Conformance` },
  };
}

function reflect(stream: ServerDuplexStream<Fields, Fields>): void {
  const { fileDescriptorProtos: files } = types['aerie.v1.ClientFrame'] as MessageTypeDefinition<
    object,
    object
  >;
  stream.on('data', ({ message_request: asked }: Fields) =>
    stream.write(
      asked === 'list_services'
        ? { list_services_response: { service: [{ name: SERVICE }] } }
        : { file_descriptor_response: { file_descriptor_proto: files } },
    ),
  );
  stream.on('end', () => stream.end());
}

function send(stream: Stream, { data, ...fields }: Fields): void {
  stream.write({ ...fields, ...(data !== undefined && { data: JSON.stringify(data) }) });
}

function fail(stream: Stream, id: string, code: string): void {
  stream.write({ id, error: { code, message: 'no' } });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function end(stream: Stream, code: number, reason: string): void {
  stream.emit('error', statusOf(code, reason));
}

function statusOf(code: number, reason: string) {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', detailsOf(code, reason));
  return { code, details: 'no', metadata };
}

/** A google.rpc.Status with a google.rpc.ErrorInfo in it. */
function detailsOf(code: number, reason: string): Buffer {
  const info = Buffer.concat([textField(1, reason), textField(2, 'aerie')]);
  const any = Buffer.concat([textField(1, 'type.googleapis.com/google.rpc.ErrorInfo'), bytesField(2, info)]);
  return Buffer.concat([Buffer.from([8, code]), bytesField(3, any)]);
}

function textField(number: number, text: string): Buffer {
  return bytesField(number, Buffer.from(text));
}

/** Of less than 128 bytes. */
function bytesField(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
}
