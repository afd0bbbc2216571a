import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { vi } from 'vitest';

const PROTO = fileURLToPath(new URL('../../libs/realtime/proto', import.meta.url));
const FILES = [
  'aerie/v1/realtime.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];
const WAIT = { timeout: 15_000 };

type Fields = Readonly<Record<string, unknown>>;
type Done = (error: ServiceError | null, reply: Fields) => void;

/** The methods of all our services, on one client. */
export interface Stub extends Client {
  Connect(metadata: Metadata, options: CallOptions): ClientDuplexStream<Fields, Fields>;
  Publish(request: Fields, metadata: Metadata, done: Done): unknown;
  Check(request: Fields, metadata: Metadata, options: CallOptions, done: Done): unknown;
  Watch(request: Fields): ClientReadableStream<Fields>;
  ServerReflectionInfo(): ClientDuplexStream<Fields, Fields>;
}

type StubType = new (address: string, credentials: ChannelCredentials) => Stub;

const definitions = loadPackageDefinition(
  loadSync(FILES, { includeDirs: [PROTO], keepCase: true, longs: Number, enums: String, oneofs: true }),
);

/** A client of one service, by its full name. */
export function stub(
  address: string,
  service: string,
  secured: ChannelCredentials = credentials.createInsecure(),
): Stub {
  let found: unknown = definitions;
  for (const part of service.split('.')) found = (found as Fields)[part];
  return new (found as StubType)(address, secured);
}

/** One reply, or the error that the call ended with. */
export function reply(call: (done: Done) => unknown): Promise<Fields> {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

export function metadata(fields: Readonly<Record<string, string>>): Metadata {
  const made = new Metadata();
  for (const [name, value] of Object.entries(fields)) made.add(name, value);
  return made;
}

export interface GrpcConnectionOptions {
  /** Default: no TLS. */
  readonly secured?: ChannelCredentials;
  readonly deadlineMs?: number;
}

/** A connection by gRPC, and all that came by it. */
export class GrpcConnection {
  readonly frames: Fields[] = [];
  status: StatusObject | undefined;
  readonly call: ClientDuplexStream<Fields, Fields>;
  readonly #client: Stub;
  #ids = 0;

  constructor(
    address: string,
    fields: Readonly<Record<string, string>>,
    { secured, deadlineMs }: GrpcConnectionOptions = {},
  ) {
    this.#client = stub(address, 'aerie.v1.Realtime', secured);
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    this.call = this.#client.Connect(metadata(fields), options);
    this.call.on('data', (frame: Fields) => this.frames.push(frame));
    this.call.on('status', (status: StatusObject) => (this.status = status));
    this.call.on('error', () => undefined);
  }

  send(event: string, data?: unknown, id = ''): void {
    this.call.write({ event, id, data: data === undefined ? '' : JSON.stringify(data) });
  }

  /** Sends a message and resolves with the data of its reply. */
  async ask(event: string, data?: unknown): Promise<unknown> {
    const id = String((this.#ids += 1));
    this.send(event, data, id);
    const frame = await this.frame((candidate) => candidate['id'] === id);
    return frame['error'] ?? JSON.parse(frame['data'] as string);
  }

  /** The first frame that `matches`, now or later. */
  frame(matches: (frame: Fields) => boolean): Promise<Fields> {
    return vi.waitFor(() => {
      const found = this.frames.find(matches);
      if (found === undefined) throw new Error(`not among ${JSON.stringify(this.frames).slice(0, 500)}`);
      return found;
    }, WAIT);
  }

  event(name: string): Promise<Fields> {
    return this.frame((frame) => frame['event'] === name);
  }

  /** What was published under a name, in order. */
  dataOf(event: string): unknown[] {
    const found = this.frames.filter((frame) => frame['event'] === event);
    return found.map((frame) => JSON.parse(frame['data'] as string) as unknown);
  }

  ended(): Promise<StatusObject> {
    return vi.waitFor(() => {
      if (this.status === undefined) throw new Error('the call goes on');
      return this.status;
    }, WAIT);
  }

  /** Goes away without a goodbye. */
  cut(): void {
    this.call.cancel();
    this.#client.close();
  }
}

/** What a server answers to one question about itself. */
export async function reflected(address: string, question: Fields): Promise<Fields> {
  const client = stub(address, 'grpc.reflection.v1.ServerReflection');
  const call = client.ServerReflectionInfo();
  call.write(question);
  const [answer] = (await once(call, 'data')) as [Fields];
  call.end();
  client.close();
  return answer;
}
