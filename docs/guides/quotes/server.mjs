// A small HTTP API with an OpenAPI document, as somebody's own API would be. It knows nothing of Tenantry or MCP.
import { createServer } from 'node:http';

const quotes = [{ id: 1, author: 'Ada Lovelace', text: 'That brain of mine is something more than merely mortal.' }];

const quote = {
  type: 'object',
  required: ['author', 'text'],
  properties: { id: { type: 'integer', readOnly: true }, author: { type: 'string' }, text: { type: 'string', maxLength: 500 } },
};

const answerWith = (schema) => ({ description: 'Done', content: { 'application/json': { schema } } });

const openapi = {
  openapi: '3.1.0',
  info: { title: 'Quotes', version: '1.0.0', description: 'Sentences worth keeping.' },
  paths: {
    '/quotes': {
      get: {
        operationId: 'find_quotes',
        description: 'List quotes, all or those of one author',
        parameters: [{ name: 'author', in: 'query', schema: { type: 'string' } }],
        responses: { 200: answerWith({ type: 'object', properties: { quotes: { type: 'array', items: quote } } }) },
      },
      post: {
        operationId: 'add_quote',
        description: 'Keep a new quote',
        requestBody: { required: true, content: { 'application/json': { schema: quote } } },
        responses: { 201: answerWith(quote) },
      },
    },
  },
};

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://api');
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (url.pathname === '/openapi.json') return answer(200, openapi);
  if (url.pathname === '/healthz') return answer(200, { ok: true });
  if (url.pathname !== '/quotes') return answer(404, { title: 'Not found' });
  if (request.method === 'POST') {
    const added = { ...JSON.parse((await request.toArray()).join('')), id: quotes.length + 1 };
    quotes.push(added);
    return answer(201, added);
  }
  const author = url.searchParams.get('author');
  return answer(200, { quotes: quotes.filter((q) => author === null || q.author === author) });
}).listen(Number(process.env.PORT), process.env.HOST);
