// Writes what gRPC reflection tells, from libs/realtime/proto: `node scripts/grpc-descriptors.mjs`. Made by protoc (Debian's
// protobuf-compiler), as tools like grpcurl refuse descriptors that differ from its own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROTO = fileURLToPath(new URL('../libs/realtime/proto', import.meta.url));
const TARGET = new URL('../libs/realtime/src/grpc/descriptors.ts', import.meta.url);
const FILES = [
  'aerie/v1/realtime.proto',
  'google/rpc/error_details.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];

const folder = mkdtempSync(join(tmpdir(), 'aerie-descriptors-'));
const target = join(folder, 'set');
execFileSync('protoc', [`-I${PROTO}`, '--include_imports', `--descriptor_set_out=${target}`, ...FILES]);
const set = readFileSync(target);
rmSync(folder, { recursive: true });
writeFileSync(
  TARGET,
  `/** Each .proto as a google.protobuf.FileDescriptorProto. Made by scripts/grpc-descriptors.mjs. */
export const DESCRIPTORS: readonly Buffer[] = [
${filesIn(set)
  .map((one) => `  '${one.toString('base64')}',`)
  .join('\n')}
].map((text) => Buffer.from(text, 'base64'));
`,
);

/** A google.protobuf.FileDescriptorSet has one field: a tag of one byte and a varint stand before each file. */
function filesIn(bytes) {
  const files = [];
  for (let at = 0; at < bytes.byteLength;) {
    let length = 0;
    let shift = 0;
    do {
      at += 1;
      length += (bytes[at] & 0x7f) * 2 ** shift;
      shift += 7;
    } while (bytes[at] >= 0x80);
    files.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return files;
}
