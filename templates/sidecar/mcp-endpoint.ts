import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  type AuthInfo,
  type CallToolResult,
  createMcpHandler,
  type ListToolsResult,
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  Server,
} from '@modelcontextprotocol/server';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/server/validators/ajv';
import type { Logger } from 'pino';
import { SpoolFull } from '../../audit/spool.ts';
import { Problem } from '../../problems/problem.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { Authorized } from './auth/authorizer.ts';
import { discardBody, readJson, sendRpcError } from './http/http-body.ts';
import { Refusal } from './http/refusal.ts';
import type { Metrics } from './metrics.ts';
import type { Tool } from './settings/tool.ts';
import { type CallEnd, forbidden, type Outcome, type ToolCaller, unrecorded } from './tools/tool-call.ts';
import type { LoadedTools, ToolSource } from './tools/tool-source.ts';

export interface McpEndpointOptions {
  /** Name of the tenant, and the name shown to people. */
  readonly tenant: string;
  readonly displayName: string;
  readonly source: ToolSource;
  readonly caller: ToolCaller;
  readonly audit: AuditTrail;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Largest message, in bytes: the API takes no more either. */
export const messageLimit = 1024 * 1024;

/** All that a probe may ask: whether the tenant is there and which tools it has. */
const probeMethods = new Set(['initialize', 'notifications/initialized', 'ping', 'server/discover', 'tools/list']);

/** JSON-RPC methods as labels of a metric. All other methods are counted as `other`. */
const labelledMethods = new Set([...probeMethods, 'tools/call', 'subscriptions/listen', 'notifications/cancelled']);

/** Data that a request carries through the SDK to the tool call. */
interface Call {
  readonly authorized: Authorized;
  readonly requestId: string;
}

/**
 * The tools over Streamable HTTP, stateless and in both eras of the protocol: a server object a request, whose answers are all
 * computed beforehand.
 */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #handler;
  readonly #handle;
  /** Made once: the SDK's default is a new validator for each server object. */
  readonly #validator = new AjvJsonSchemaValidator();

  constructor(options: McpEndpointOptions) {
    this.#options = options;
    const onerror = (error: Error) => options.logger.debug({ err: error }, 'MCP request rejected');
    this.#handler = createMcpHandler((context) => this.#server(context), {
      onerror,
      maxRequestBodySize: messageLimit,
      keepAliveMs: 15_000,
    });
    this.#handle = toNodeHandler(this.#handler, { onerror, maxRequestBodySize: messageLimit });
  }

  /** Tells subscribed clients that there are other tools. */
  toolsChanged(): void {
    this.#handler.notify.toolsChanged();
  }

  /** Ends subscriptions and running requests. */
  async close(): Promise<void> {
    await this.#handler.close();
  }

  /**
   * Serves an authorized request.
   * @param onMethod Learns the JSON-RPC method, for metrics and to tell subscriptions from requests that end.
   * @throws {Refusal} for what a probe may not ask.
   */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    authorized: Authorized,
    requestId: string,
    onMethod: (method: string) => void,
  ): Promise<void> {
    let body: unknown;
    if (request.method === 'POST') {
      const read = await readJson(request, messageLimit);
      if (read.fault !== undefined) {
        discardBody(request, response);
        return sendRpcError(response, read.fault, requestId);
      }
      body = read.value;
    }
    const methods = methodsOf(body);
    onMethod(methods.length === 1 && labelledMethods.has(methods[0] ?? '') ? (methods[0] ?? 'other') : 'other');
    const { caller, access, limits } = authorized;
    if (access === 'probe' && (methods.length === 0 || methods.some((method) => !probeMethods.has(method)))) {
      throw new Refusal('scope', limits);
    }
    const call: Call = { authorized, requestId };
    const auth: AuthInfo = { token: '', clientId: caller.subject, scopes: [...caller.scopes], extra: { call } };
    const { method = 'GET', url = '/', headers } = request;
    await this.#handle({ method, url, headers, auth, [Symbol.asyncIterator]: () => request[Symbol.asyncIterator]() }, response, body);
  }

  #server({ authInfo, era }: McpRequestContext): Server {
    const { source, tenant, displayName } = this.#options;
    const tools = source.tools;
    const call = authInfo?.extra?.['call'] as Call | undefined;
    if (tools === undefined || call === undefined) throw new Error('request reached the server before tools or caller were known');
    const server = new Server(
      { name: `tenantry-${tenant}`, title: displayName, version: tools.version },
      {
        // A change can be pushed to a subscription of the modern era alone; older ones need a session for it.
        capabilities: { tools: era === 'modern' ? { listChanged: true } : {} },
        jsonSchemaValidator: this.#validator,
        ...(tools.instructions !== undefined && { instructions: tools.instructions }),
      },
    );
    // A probe changes nothing and asks whether all the tools are there.
    const listed = call.authorized.access === 'read' ? tools.listedToReaders : tools.listed;
    server.setRequestHandler('tools/list', () => ({ tools: listed as unknown as ListToolsResult['tools'] }));
    server.setRequestHandler('tools/call', async ({ params }, context) =>
      this.#call(tools, call, params.name, params.arguments ?? {}, context.mcpReq.signal),
    );
    return server;
  }

  async #call(tools: LoadedTools, call: Call, name: string, args: Record<string, unknown>, signal: AbortSignal): Promise<CallToolResult> {
    const { metrics, logger } = this.#options;
    const tool = tools.byName.get(name);
    if (tool === undefined) throw this.#missing(tools, call, name, args);
    const { authorized, requestId } = call;
    const started = performance.now();
    const { outcome, result } = await this.#recorded(tool, args, call, signal);
    const ms = performance.now() - started;
    metrics.countCall(name, outcome, ms / 1000);
    logger.info({ rid: requestId, sub: authorized.caller.subject, tool: name, outcome, ms: Math.round(ms) }, 'tool call');
    return { ...result, content: [...result.content] };
  }

  #missing(tools: LoadedTools, { authorized, requestId }: Call, name: string, args: Record<string, unknown>): ProtocolError {
    const withheld = tools.withheld.get(name);
    if (withheld === undefined) {
      const asked = JSON.stringify(name.slice(0, 100));
      return invalidParams(
        new Problem('tool-not-found', `There is no tool ${asked}. Call tools/list: it has the names of all there are now.`),
        requestId,
      );
    }
    const { tool, reason } = withheld;
    const { audit, metrics } = this.#options;
    metrics.countCall(name, 'not_offered', 0);
    if (!audit.full) audit.record({ tool, args, caller: authorized.caller, requestId, durationMs: 0, outcome: 'not_offered' });
    return invalidParams(new Problem('tool-not-offered', reason), requestId);
  }

  /** Calls the tool and records it. A call that cannot be recorded is not made, or at least not answered. */
  async #recorded(tool: Tool, args: Record<string, unknown>, { authorized, requestId }: Call, signal: AbortSignal): Promise<CallEnd> {
    const { audit } = this.#options;
    if (audit.full) return { outcome: 'unrecorded', result: unrecorded(tool, false) };
    const started = performance.now();
    const { caller } = authorized;
    const record = (outcome: Outcome) => audit.record({ tool, args, caller, requestId, durationMs: performance.now() - started, outcome });
    let end: CallEnd;
    try {
      end = await this.#performed(tool, args, authorized, requestId, signal);
    } catch (error) {
      record('failed');
      throw error;
    }
    try {
      record(end.outcome);
    } catch (error) {
      if (!(error instanceof SpoolFull)) throw error;
      return { outcome: 'unrecorded', result: unrecorded(tool, true) };
    }
    return end;
  }

  async #performed(
    tool: Tool,
    args: Record<string, unknown>,
    { caller, access, limits }: Authorized,
    requestId: string,
    signal: AbortSignal,
  ): Promise<CallEnd> {
    if (access !== 'all' && !tool.annotations.readOnlyHint) return forbidden(tool, limits);
    return await this.#options.caller.call({ tool, args, caller, requestId, signal });
  }
}

function invalidParams(problem: Problem, requestId: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, problem.message, problem.document(requestId));
}

/** Methods of a message, or of the messages of a batch. */
function methodsOf(body: unknown): string[] {
  return [body].flat().flatMap((message) => {
    const method = message !== null && typeof message === 'object' && 'method' in message ? message.method : undefined;
    // An answer has no method; there is nothing here that waits for one.
    return [typeof method === 'string' ? method : ''];
  });
}
