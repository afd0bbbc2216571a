import { defineConfig } from 'vitest/config';

const conditions = ['@aerie/source', 'node', 'module', 'default'];

/** They fill the machine, or are about moments that a busy one would miss. */
const ALONE = [
  'test/load/**/*.spec.ts',
  'test/faults/**/*.spec.ts',
  'test/heartbeat.spec.ts',
  'test/drain.spec.ts',
];

export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    globalSetup: ['test/support/redis.setup.ts'],
    setupFiles: ['test/support/patience.setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['libs/**/*.spec.ts', 'apps/**/*.spec.ts'],
          exclude: ['**/dist/**', '**/node_modules/**'],
        },
      },
      { extends: true, test: { name: 'system', include: ['test/**/*.spec.ts'], exclude: ALONE } },
      { extends: true, test: { name: 'alone', include: ALONE, fileParallelism: false } },
    ],
  },
});
