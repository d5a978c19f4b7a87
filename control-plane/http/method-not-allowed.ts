import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.ts';

/** Answers 405 with Allow for a path that exists under other methods, and 404 for other paths. Register it before the routes. */
export function refuseUnknown(app: FastifyInstance): void {
  const routes: { pattern: RegExp; methods: Set<string> }[] = [];
  const byUrl = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    let methods = byUrl.get(url);
    if (methods === undefined) {
      methods = new Set();
      byUrl.set(url, methods);
      routes.push({ pattern: new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')}$`), methods });
    }
    for (const one of [method].flat()) methods.add(one);
  });
  const refuse = (request: FastifyRequest): never => {
    const path = request.url.split('?')[0] ?? '';
    const allowed = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]);
    if (allowed.length === 0) throw new Problem('route-not-found', 'Nothing is served at this path.');
    const allow = [...new Set(allowed)].sort().join(', ');
    throw new Problem('method-not-allowed', `This path accepts ${allow}.`, { headers: { allow } });
  };
  // Earlier than fastify's check of the media type, which does not matter without a route.
  app.addHook('preParsing', async (request) => {
    if (request.is404) refuse(request);
  });
  app.setNotFoundHandler(refuse);
}
