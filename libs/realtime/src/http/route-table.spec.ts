import { describe, expect, it } from 'vitest';
import { RouteTable } from './route-table.js';
import type { Route } from './route.js';

function route(method: Route['method'], path: string, cors = false): Route {
  return { method, path, cors, handle: () => ({}) };
}

describe('RouteTable', () => {
  it('lets a literal segment win over a parameter, in any order of registration', () => {
    const table = new RouteTable();
    const parameter = route('GET', '/api/:name');
    const literal = route('GET', '/api/info');
    table.add(parameter);
    table.add(literal);
    expect(table.match('GET', '/api/info')).toEqual({ route: literal, params: {} });
    expect(table.match('GET', '/api/other')).toEqual({ route: parameter, params: { name: 'other' } });
  });

  it('matches whole paths only', () => {
    const table = new RouteTable();
    table.add(route('GET', '/api/:name'));
    for (const path of ['/api', '/api/', '/api/a/b', '/API/a', 'api/a', '/api/%E0%A4%A']) {
      expect(table.match('GET', path)).toBeUndefined();
    }
  });

  it.each(['/ws', '/ws/'])('minds no trailing slash: %s', (path) => {
    const table = new RouteTable();
    table.add(route('GET', '/ws'));
    table.add(route('GET', '/'));
    expect(table.match('GET', path)).toMatchObject({ route: { path: '/ws' } });
    expect(table.match('GET', '/')).toMatchObject({ route: { path: '/' } });
  });

  it('leaves what a shared path has no method for to the application, its preflight too', () => {
    const table = new RouteTable();
    table.add({ ...route('GET', '/chat', true), shared: true });
    for (const method of ['GET', 'HEAD']) expect(table.match(method, '/chat')).toMatchObject({ params: {} });
    for (const method of ['POST', 'DELETE', 'OPTIONS']) expect(table.match(method, '/chat')).toBeUndefined();
    expect(table.match('OPTIONS', '/chat', 'POST')).toBeUndefined();
    expect(table.match('OPTIONS', '/chat', 'GET')).toEqual({ allow: ['GET', 'HEAD', 'OPTIONS'], cors: true });
  });

  it('tells which methods a path has', () => {
    const table = new RouteTable();
    table.add(route('GET', '/a'));
    const remove = table.add(route('POST', '/a', true));
    expect(table.match('PUT', '/a')).toEqual({ allow: ['GET', 'HEAD', 'POST', 'OPTIONS'], cors: true });
    remove();
    expect(table.match('POST', '/a')).toEqual({ allow: ['GET', 'HEAD'], cors: false });
  });
});
