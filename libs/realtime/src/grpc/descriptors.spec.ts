import { fileURLToPath } from 'node:url';
import { type AnyDefinition, loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { bytesOf, ProtoWriter, readFields, textOf } from '../transports/grpc/protobuf.js';
import { DESCRIPTORS } from './descriptors.js';

const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));
const FILES = [
  'aerie/v1/realtime.proto',
  'google/rpc/error_details.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];
/** Field numbers of google/protobuf/descriptor.proto. */
const FILE = { name: 1, dependency: 3, message: 4 } as const;
const MESSAGE = { name: 1, field: 2, nested: 3, options: 7 } as const;
const FIELD = { name: 1, type: 6 } as const;

interface Message {
  readonly name: string;
  readonly isMapEntry: boolean;
  readonly fields: readonly { readonly name: string; readonly type: string }[];
  readonly nested: readonly Message[];
}

describe('the descriptors for reflection', () => {
  const described = loadFileDescriptorSetFromBuffer(
    DESCRIPTORS.reduce((set, file) => set.message(1, file), new ProtoWriter()).finish(),
    { keepCase: true },
  );

  it.each(FILES)('say what %s says', (file) => {
    const definitions = loadSync(file, { includeDirs: [PROTO], keepCase: true });
    for (const [name, definition] of Object.entries(definitions))
      expect(shapeOf(described[name]), name).toEqual(shapeOf(definition));
  });

  it('bring every file under its own name, with those that it needs', () => {
    const files = DESCRIPTORS.map((file) => readFields(file) ?? []);
    const names = files.map((file) => textOf(file, FILE.name));
    expect(names).toEqual(expect.arrayContaining(FILES));
    for (const needed of files.flatMap((file) => bytesOf(file, FILE.dependency)))
      expect(names).toContain(needed.toString());
  });

  it('name types and entries of maps as protoc does, without which grpcurl has no use for them', () => {
    const all = DESCRIPTORS.flatMap((file) => bytesOf(readFields(file) ?? [], FILE.message)).flatMap(
      withNested,
    );
    for (const { name, type } of all.flatMap(({ fields }) => fields)) expect(type, name).toMatch(/^(\..+)?$/);
    const entries = all.filter(({ isMapEntry }) => isMapEntry).map(({ name }) => name);
    expect(entries).toContain('StatusesEntry');
    for (const entry of entries) expect(entry).toMatch(/^[A-Z]\w*Entry$/);
  });
});

/** What a method or a message is, whoever has read it: how its bytes are made is not. */
function shapeOf(definition: AnyDefinition | undefined): unknown {
  if (definition === undefined) return undefined;
  if ('format' in definition) return fieldsIn(definition.type);
  return Object.values(definition).map(({ path, requestStream, responseStream, ...method }) => ({
    path,
    requestStream,
    responseStream,
    request: fieldsIn(method.requestType.type),
    response: fieldsIn(method.responseType.type),
  }));
}

function fieldsIn(type: object): unknown {
  const { field = [], value = [] } = type as Readonly<Record<string, Readonly<Record<string, unknown>>[]>>;
  return [...field, ...value].map(({ name, number, label, type: kind }) => ({ name, number, label, kind }));
}

function withNested(bytes: Buffer): readonly Message[] {
  const message = messageIn(bytes);
  return [message, ...message.nested];
}

function messageIn(bytes: Buffer): Message {
  const parts = readFields(bytes) ?? [];
  const fields = bytesOf(parts, MESSAGE.field).map((field) => readFields(field) ?? []);
  return {
    name: textOf(parts, MESSAGE.name),
    isMapEntry: bytesOf(parts, MESSAGE.options).length > 0,
    fields: fields.map((field) => ({ name: textOf(field, FIELD.name), type: textOf(field, FIELD.type) })),
    nested: bytesOf(parts, MESSAGE.nested).map(messageIn),
  };
}
