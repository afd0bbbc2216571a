// `node --conditions=@aerie/source --import ./test/support/typescript-sources.mjs app.ts` runs the sources in a process of
// their own, without a build. Node's type stripping would do, but it knows no decorators.
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const compilerOptions = {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.ESNext,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  inlineSourceMap: true,
};

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
    const fileName = fileURLToPath(url);
    const { outputText } = ts.transpileModule(readFileSync(fileName, 'utf8'), { fileName, compilerOptions });
    return { format: 'module', source: outputText, shortCircuit: true };
  },
});
