// Writes what gRPC reflection tells of our services, from libs/realtime/proto: `node scripts/grpc-descriptors.mjs`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../libs/realtime/proto', import.meta.url));
const TARGET = new URL('../libs/realtime/src/grpc/descriptors.ts', import.meta.url);
const FILES = [
  'aerie/v1/realtime.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];

const descriptors = FILES.flatMap((file) => descriptorsOf(file));
writeFileSync(
  TARGET,
  `/** Each .proto as a google.protobuf.FileDescriptorProto. Made by scripts/grpc-descriptors.mjs. */
export const DESCRIPTORS: readonly Buffer[] = [
${descriptors.map((bytes) => `  '${bytes.toString('base64')}',`).join('\n')}
].map((text) => Buffer.from(text, 'base64'));
`,
);

function descriptorsOf(file) {
  const [any] = Object.values(loadSync(file, { includeDirs: [PROTO], keepCase: true })).filter(
    (definition) => 'fileDescriptorProtos' in definition,
  );
  return any.fileDescriptorProtos;
}
