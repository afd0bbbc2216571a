import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { DESCRIPTORS } from './descriptors.js';

const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));

describe('the descriptors for reflection', () => {
  it.each(['aerie/v1/realtime.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto'])(
    'say what %s says',
    (file) => {
      const definitions = Object.values(loadSync(file, { includeDirs: [PROTO], keepCase: true }));
      const described = definitions.find((definition) => 'fileDescriptorProtos' in definition);
      expect(DESCRIPTORS).toEqual(
        expect.arrayContaining([
          ...((described?.['fileDescriptorProtos'] as Buffer[] | undefined) ?? [file]),
        ]),
      );
    },
  );
});
