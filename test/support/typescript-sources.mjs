// `node --conditions=@aerie/source --import ./test/support/typescript-sources.mjs app.ts` runs the sources in a process of
// their own, without a build. Node's type stripping would do, but it knows no decorators; this is the compiler that Vitest has.
// What was compiled once is kept by its text, so that a process that finds everything there is small and starts at once: the
// compiler stays unloaded.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, enableCompileCache, flushCompileCache, registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const FLUSH_MS = 3_000;
const require = createRequire(import.meta.url);
const CACHE = new URL('../../node_modules/.cache/aerie-sources/', import.meta.url);
const { version } = require('rolldown/package.json');
const { __decorate, __metadata, __param } = require('tslib');
const SELF = readFileSync(new URL(import.meta.url), 'utf8');

// What compiled decorators call.
globalThis.babelHelpers = { decorate: __decorate, decorateMetadata: __metadata, decorateParam: __param };

// What the engine made of all modules is kept as well. A process that will be killed has to write it before.
enableCompileCache(fileURLToPath(new URL('compiled/', CACHE)));
setTimeout(flushCompileCache, FLUSH_MS).unref();

registerHooks({
  resolve(specifier, context, nextResolve) {
    const source =
      context.parentURL && /^\.{1,2}\/.*\.js$/.test(specifier)
        ? new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
        : undefined;
    return nextResolve(source && existsSync(source) ? source.href : specifier, context);
  },
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
    return { format: 'module', source: compiled(fileURLToPath(url)), shortCircuit: true };
  },
});

function compiled(fileName) {
  const text = readFileSync(fileName, 'utf8');
  const key = createHash('sha256').update(`${version}\0${SELF}\0${fileName}\0${text}`).digest('hex');
  const cached = new URL(`${key}.js`, CACHE);
  if (existsSync(cached)) return readFileSync(cached, 'utf8');
  const output = compile(fileName, text);
  mkdirSync(CACHE, { recursive: true });
  // Several processes may compile the same file: none must read a half of it.
  const unfinished = new URL(`${key}.${process.pid}`, CACHE);
  writeFileSync(unfinished, output);
  renameSync(unfinished, cached);
  return output;
}

function compile(fileName, text) {
  const { transformSync } = require('rolldown/utils');
  const { code, map, errors } = transformSync(fileName, text, {
    lang: 'ts',
    target: 'esnext',
    decorator: { legacy: true, emitDecoratorMetadata: true },
    helpers: { mode: 'External' },
    sourcemap: true,
  });
  if (errors.length > 0) throw new SyntaxError(`${fileName}: ${errors[0].message}`);
  const base64 = Buffer.from(JSON.stringify(map)).toString('base64');
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${base64}\n`;
}
