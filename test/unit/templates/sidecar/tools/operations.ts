import type { Tool } from '../../../../../templates/sidecar/settings/tool.ts';
import { apiTools } from '../../../../../templates/sidecar/tools/api-document.ts';

export const documentOptions = { url: new URL('http://127.0.0.1:8081/openapi.json'), reservedHeaders: ['x-static'] };

/** The tools of a document with these paths. */
export function toolsOf(paths: object, components: object = {}, more: object = {}) {
  return apiTools({ openapi: '3.1.0', info: { title: 't', version: '1' }, paths, components, ...more }, documentOptions);
}

/** The tool of a document with this operation alone. */
export function toolOf(operation: object, path = '/things', method = 'post', components: object = {}): Tool {
  const { tools, skipped } = toolsOf({ [path]: { [method]: operation } }, components);
  const [tool] = tools;
  if (tool === undefined) throw new Error(JSON.stringify(skipped));
  return tool;
}

export const jsonBody = (schema: object, required = true) => ({
  requestBody: { required, content: { 'application/json': { schema } } },
});
