import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { Route } from '@aerie/realtime';
import { staticFile, staticText } from './static-files.js';

const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

/**
 * The page at `/api/docs` on which to read and try the server API, with the Swagger UI that `@nestjs/swagger` brings. Needs
 * no key, in production either: the document is the same for everybody; the calls that it makes need one.
 */
export function apiDocsRoutes(prefix = '/api'): readonly Route[] {
  const path = `${prefix}/docs`;
  const swagger = swaggerUiFolder();
  return [
    staticText({ path, type: 'text/html; charset=utf-8', text: pageAt(path) }),
    staticText({ path: `${path}/start.js`, type: 'text/javascript; charset=utf-8', text: starting(prefix) }),
    ...SWAGGER_FILES.map((name) => staticFile({ path: `${path}/${name}`, folder: swagger, name })),
  ];
}

function swaggerUiFolder(): string {
  const swaggerModule = createRequire(import.meta.resolve('@nestjs/swagger'));
  return dirname(swaggerModule.resolve('swagger-ui-dist/package.json'));
}

function pageAt(path: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Aerie server API</title>
    <link rel="icon" href="${path}/favicon-32x32.png" />
    <link rel="stylesheet" href="${path}/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="${path}/swagger-ui-bundle.js"></script>
    <script src="${path}/start.js"></script>
  </body>
</html>
`;
}

function starting(prefix: string): string {
  const options = {
    url: `${prefix}/openapi.json`,
    dom_id: '#swagger-ui',
    validatorUrl: null,
    defaultModelsExpandDepth: -1,
  };
  return `SwaggerUIBundle(${JSON.stringify(options)});\n`;
}
