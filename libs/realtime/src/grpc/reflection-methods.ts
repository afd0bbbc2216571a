import type { GrpcCall } from '../transports/grpc/grpc-call.js';
import { STATUS } from '../transports/grpc/grpc-status.js';
import { bytesOf, type ProtoField, ProtoWriter, readFields, textOf } from '../transports/grpc/protobuf.js';
import type { GrpcMethod } from './grpc-server.js';
import { eachMessage } from './unary.js';

const MAX_BYTES = 4 * 1024;
/** Questions on one call: more are a client that has lost its way. */
const MAX_QUESTIONS = 1_000;
/** Answers that a client leaves unread. Bytes. */
const MAX_UNREAD = 256 * 1024;
const VERSIONS = ['v1', 'v1alpha'] as const;

/** Fields of `ServerReflectionRequest` and `ServerReflectionResponse`. */
const ASK = { fileByName: 3, fileOfSymbol: 4, services: 7 } as const;
const TELL = { host: 1, question: 2, files: 4, services: 6, error: 7 } as const;
/** Fields of google.protobuf.FileDescriptorProto. */
const FILE = { name: 1, package: 2, message: 4, enum: 5, service: 6 } as const;
const SERVICE = { name: 1, method: 2 } as const;

interface DescribedFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly services: readonly string[];
  /** Full names of everything in it that a client may ask for. */
  readonly symbols: ReadonlySet<string>;
}

/** grpc.reflection: what this server serves, for tools that have no .proto at hand. */
export function reflectionMethods(
  descriptors: readonly Buffer[],
): readonly (readonly [string, GrpcMethod])[] {
  const files = descriptors.map(described);
  const method: GrpcMethod = (call) => converse(call, files);
  return VERSIONS.map(
    (version) => [`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, method] as const,
  );
}

function converse(call: GrpcCall, files: readonly DescribedFile[]): void {
  let questions = 0;
  call.begin();
  eachMessage(call, MAX_BYTES, (question) => {
    questions += 1;
    if (questions > MAX_QUESTIONS || call.stream.writableLength > MAX_UNREAD)
      call.end({ code: STATUS.RESOURCE_EXHAUSTED, message: 'too many questions' });
    else call.send(answerTo(question, files));
  });
  call.stream.on('end', () => call.end());
}

function answerTo(question: Buffer, files: readonly DescribedFile[]): Buffer {
  const fields = readFields(question) ?? [];
  const reply = new ProtoWriter().text(TELL.host, textOf(fields, 1)).message(TELL.question, question);
  if (fields.some(({ number }) => number === ASK.services))
    return reply.message(TELL.services, serviceList(files)).finish();
  const file = fileFor(fields, files);
  return file === undefined
    ? reply.message(TELL.error, notFound()).finish()
    : reply.message(TELL.files, new ProtoWriter().message(1, file.bytes).finish()).finish();
}

function fileFor(fields: readonly ProtoField[], files: readonly DescribedFile[]): DescribedFile | undefined {
  const name = textOf(fields, ASK.fileByName);
  const symbol = textOf(fields, ASK.fileOfSymbol);
  return files.find((file) => file.name === name || file.symbols.has(symbol));
}

function serviceList(files: readonly DescribedFile[]): Buffer {
  const writer = new ProtoWriter();
  for (const service of files.flatMap(({ services }) => services))
    writer.message(1, new ProtoWriter().text(1, service).finish());
  return writer.finish();
}

function notFound(): Buffer {
  return new ProtoWriter().number(1, STATUS.NOT_FOUND).text(2, 'not described here').finish();
}

function described(bytes: Buffer): DescribedFile {
  const file = readFields(bytes) ?? [];
  const prefix = textOf(file, FILE.package);
  const named = (owner: string, parts: readonly Buffer[]): string[] =>
    parts.map((part) => `${owner}.${textOf(readFields(part) ?? [], SERVICE.name)}`);
  const services = named(prefix, bytesOf(file, FILE.service));
  const methods = bytesOf(file, FILE.service).flatMap((service, index) =>
    named(services[index] ?? '', bytesOf(readFields(service) ?? [], SERVICE.method)),
  );
  const types = named(prefix, [...bytesOf(file, FILE.message), ...bytesOf(file, FILE.enum)]);
  return {
    name: textOf(file, FILE.name),
    bytes,
    services,
    symbols: new Set([...services, ...methods, ...types]),
  };
}
