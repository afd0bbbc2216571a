/** The floors of the house: imports go down only. */
const src = '^libs/realtime/src/';
const spec = '[.]spec[.]ts$';
const drivers = '^libs/realtime/src/(memory|redis)/';

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'protocol-knows-nobody',
      severity: 'error',
      from: { path: '^libs/protocol/src' },
      to: { pathNot: '^libs/protocol/src|vitest|fast-check', dependencyTypesNot: ['core'] },
    },
    {
      name: 'client-knows-only-protocol',
      severity: 'error',
      from: { path: '^libs/client/src', pathNot: `${spec}|^libs/client/src/(msgpack|react)[.]ts$` },
      to: { pathNot: '^libs/(client|protocol)/' },
    },
    {
      name: 'client-entries-are-leaves',
      severity: 'error',
      from: { path: '^libs/client/src', pathNot: spec },
      to: { path: '^libs/client/src/(bytes|msgpack|react|(fallbacks|presence|reading)/index)[.]ts$' },
    },
    { name: 'libs-never-see-apps', severity: 'error', from: { path: '^libs' }, to: { path: '^apps' } },
    {
      name: 'apps-see-package-names-only',
      severity: 'error',
      from: { path: '^apps' },
      to: {
        path: '^libs',
        pathNot:
          '/src/(api/|drain/|grpc/|health/|metrics/|memory/|redis/|testing/|testing/contracts/|transports/)?index[.]ts$',
      },
    },
    {
      name: 'connections-are-the-ground-floor',
      severity: 'error',
      from: { path: `${src}connections/`, pathNot: spec },
      to: { path: src, pathNot: `${src}(connections|metrics/meter)` },
    },
    {
      name: 'operations-stay-above',
      severity: 'error',
      from: {
        path: `${src}(connections|handshake|transports|messages|channels|publishing|history|sessions)/`,
        pathNot: spec,
      },
      to: { path: `${src}(drain|health|api|testing)/` },
    },
    {
      name: 'drivers-are-leaves',
      severity: 'error',
      from: { path: src, pathNot: `${spec}|${drivers}|${src}(wiring/|testing/)` },
      to: { path: drivers },
    },
    {
      name: 'redis-stays-in-its-driver',
      severity: 'error',
      from: { path: src, pathNot: `${spec}|${src}(redis|testing)/` },
      to: { path: 'node_modules/ioredis' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|dist' },
    exclude: { path: 'dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['@aerie/source', 'import', 'require', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
