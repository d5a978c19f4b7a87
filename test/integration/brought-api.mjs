// An API as somebody brings it, with the mistake that the first argument names.
import { createServer } from 'node:http';

const mistake = process.argv[2];
const html = '<!doctype html><title>Shop</title>';
const openapi = (paths) => JSON.stringify({ openapi: '3.1.0', info: { title: 'Shop', version: '1.0.0' }, paths });
const upload = { post: { requestBody: { required: true, content: { 'image/png': {} } } } };
const orders = { get: { operationId: 'list_orders' } };

const documents = {
  'document-missing': undefined,
  'document-html': html,
  'document-swagger': JSON.stringify({ swagger: '2.0', paths: {} }),
  'document-text': 'hello',
  'no-operation': openapi({}),
  'left-out': openapi({ '/orders': orders, '/photo': upload }),
};
const document = mistake in documents ? documents[mistake] : openapi({ '/orders': orders });

const server = createServer(({ url }, response) => {
  if (url === '/readyz') response.writeHead(mistake === 'not-ready' ? 503 : 200).end('secret-of-the-api');
  else if (url === '/openapi.json' && document !== undefined) response.end(document);
  else response.writeHead(404).end(html);
});
server.listen(mistake === 'wrong-port' ? 0 : Number(process.env.PORT), process.env.HOST);
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
