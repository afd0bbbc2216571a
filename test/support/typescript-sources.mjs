// `node --conditions=@aerie/source --import ./test/support/typescript-sources.mjs app.ts` runs the sources in a process of
// their own, without a build. Node's type stripping would do, but it knows no decorators. What was compiled once is kept
// by its text, so that a process that finds everything there is small and starts at once: the compiler stays unloaded.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, enableCompileCache, flushCompileCache, registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const CACHE = new URL('../../node_modules/.cache/aerie-sources/', import.meta.url);
/** By then an application stands; who is killed would leave nothing in the cache. */
const STANDS_MS = 2_500;
const { version } = require('typescript/package.json');
const SELF = readFileSync(new URL(import.meta.url), 'utf8');

// V8's own code of what is loaded, packages included: a gateway stands in three quarters of the time.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/aerie-compiled/', import.meta.url)));
setTimeout(flushCompileCache, STANDS_MS).unref();

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
  const ts = require('typescript');
  const compilerOptions = {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.ESNext,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    inlineSourceMap: true,
  };
  return ts.transpileModule(text, { fileName, compilerOptions }).outputText;
}
