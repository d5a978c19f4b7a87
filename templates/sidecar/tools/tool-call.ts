import type { Logger } from 'pino';
import { isObject } from '../../../json/object.ts';
import type { Caller } from '../../runtime/assertion.ts';
import { requestIdHeader } from '../../runtime/request-id.ts';
import type { UpstreamCredentials } from '../auth/upstream-credentials.ts';
import { AnswerTooLarge, readText, type Upstream, UpstreamUnreachable } from '../http/upstream.ts';
import type { Tool } from '../settings/tool.ts';
import { ArgumentChecker } from './tool-arguments.ts';
import { requestOf, type ToolRequest, UnusableArgument } from './tool-request.ts';

/** How a call ended, for the metric and the audit. */
export type Outcome =
  | 'ok'
  | 'forbidden'
  /** The tenant's settings leave the tool out. */
  | 'not_offered'
  | 'invalid_arguments'
  | 'api_error'
  | 'unreachable'
  | 'timeout'
  | 'too_large'
  /** The caller did not wait for the answer. */
  | 'cancelled'
  /** Our own fault. */
  | 'failed'
  /** Refused, or its answer withheld, because it could not be recorded. */
  | 'unrecorded';

export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent?: Record<string, unknown>;
  readonly isError?: boolean;
}

export interface CallEnd {
  readonly outcome: Outcome;
  readonly result: ToolResult;
}

export interface ToolCall {
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

export interface ToolCallerOptions {
  readonly upstream: Upstream;
  readonly credentials: UpstreamCredentials;
  readonly logger: Logger;
  /** The API could not be reached or did not know the operation: the tools may be out of date. */
  readonly onDoubt: () => void;
}

/** Longest an API may take, in milliseconds, and the largest answer an LLM is given, in bytes. */
export const callTimeoutMs = 30_000;
export const answerLimit = 4 * 1024 * 1024;

/** Calls the API for tools. Each failure becomes a result that says what the LLM can do next. */
export class ToolCaller {
  readonly #options: ToolCallerOptions;
  readonly #checker = new ArgumentChecker();

  constructor(options: ToolCallerOptions) {
    this.#options = options;
  }

  async call(call: ToolCall): Promise<CallEnd> {
    const faults = this.#checker.check(call.tool, call.args);
    if (faults.length > 0) return refused(call.tool, faults);
    let request: ToolRequest;
    try {
      request = requestOf(call.tool, call.args);
    } catch (error) {
      if (error instanceof UnusableArgument) return refused(call.tool, [error.message]);
      throw error;
    }
    const timeout = AbortSignal.timeout(callTimeoutMs);
    try {
      return await this.#send(call, request, AbortSignal.any([call.signal, timeout]));
    } catch (error) {
      return this.#failure(error, timeout, call);
    }
  }

  async #send(call: ToolCall, request: ToolRequest, signal: AbortSignal): Promise<CallEnd> {
    const { upstream, credentials, onDoubt } = this.#options;
    const answer = await upstream.request({
      ...request,
      headers: { ...request.headers, [requestIdHeader]: call.requestId, ...(await credentials.headersFor(call.caller, call.requestId)) },
      signal,
    });
    const text = await readText(answer.body, answerLimit);
    const type = String(answer.headers['content-type'] ?? '');
    const json = /[/+]json\b/i.test(type) ? parsed(text) : undefined;
    if (answer.status >= 400) {
      if (answer.status === 404 || answer.status === 405) onDoubt();
      return { outcome: 'api_error', result: errorResult(describeProblem(answer.status, json, text)) };
    }
    return { outcome: 'ok', result: resultOf(answer.status, type, json, text) };
  }

  #failure(error: unknown, timeout: AbortSignal, { tool, requestId, signal }: ToolCall): CallEnd {
    const { logger, onDoubt } = this.#options;
    const changes = tool.annotations.readOnlyHint ? '' : ' It is not known whether the change was made: check before you repeat it.';
    if (error instanceof AnswerTooLarge) {
      const limit = `${answerLimit / 1024 / 1024} MiB`;
      return {
        outcome: 'too_large',
        result: errorResult(`The answer is larger than ${limit}. Ask for less, for example with a smaller limit.`),
      };
    }
    if (timeout.aborted) {
      return { outcome: 'timeout', result: errorResult(`The API did not answer within ${callTimeoutMs / 1000} s.${changes}`) };
    }
    if (signal.aborted) return { outcome: 'cancelled', result: errorResult(`The call was cancelled.${changes}`) };
    onDoubt();
    logger.warn({ rid: requestId, tool: tool.name, err: error }, 'API not reached');
    const refusedAtOnce = error instanceof UpstreamUnreachable && error.code === 'ECONNREFUSED';
    return {
      outcome: 'unreachable',
      result: errorResult(`The API cannot be reached at the moment. Try again in a few seconds.${refusedAtOnce ? '' : changes}`),
    };
  }
}

function refused(tool: Tool, faults: readonly string[]): CallEnd {
  const lines = faults.map((fault) => `- ${fault}`).join('\n');
  return { outcome: 'invalid_arguments', result: errorResult(`Arguments of ${tool.name} are not valid; nothing was done:\n${lines}`) };
}

/** @param called Whether the API has been called already. */
export function unrecorded(tool: Tool, called: boolean): ToolResult {
  const made = tool.annotations.readOnlyHint ? '' : ' It is made all the same: do not repeat it.';
  return errorResult(
    called
      ? `The call of ${tool.name} could not be recorded, so its answer is withheld.${made}`
      : `Calls cannot be recorded at the moment, so ${tool.name} was not called. Try again in a few minutes.`,
  );
}

/**
 * The answer to a caller who may not call the tool. A result rather than an error of the protocol, because that is what clients show to
 * their LLM, which then neither tries again nor takes the tool for missing.
 */
export function forbidden(tool: Tool, limits: string): CallEnd {
  return { outcome: 'forbidden', result: errorResult(`${limits} ${tool.name} makes changes, so it was not called.`) };
}

function errorResult(text: string): ToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

function resultOf(status: number, type: string, json: unknown, text: string): ToolResult {
  if (isObject(json)) return { content: [{ type: 'text', text }], structuredContent: json };
  if (text === '') return { content: [{ type: 'text', text: `Done (${status}).` }] };
  const readable = json !== undefined || type === '' || /^(text\/|application\/(\w+\+)?(json|xml|yaml))/i.test(type);
  return { content: [{ type: 'text', text: readable ? text : `The answer is of type ${type} and cannot be shown as text.` }] };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An error of the API in words: what its problem document says, or else how its text begins. */
function describeProblem(status: number, json: unknown, text: string): string {
  const problem = isObject(json) ? json : {};
  const said = ['detail', 'message', 'error_description', 'error', 'title']
    .map((member) => problem[member])
    .find((value) => typeof value === 'string');
  const head = `${status}: ${said ?? (text.slice(0, 2000) || 'the API gave no reason')}`;
  const faults = Array.isArray(problem['errors']) ? problem['errors'] : [];
  const lines = faults.slice(0, 20).map((fault) => {
    if (!isObject(fault)) return `- ${String(fault)}`;
    const place = [fault['pointer'], fault['parameter'], fault['field']].find((value) => typeof value === 'string');
    const detail = [fault['detail'], fault['message']].find((value) => typeof value === 'string');
    return `- ${[place, detail ?? JSON.stringify(fault)].filter((part) => part !== undefined).join(': ')}`;
  });
  const remedy = typeof problem['remedy'] === 'string' ? [problem['remedy']] : [];
  return [head, ...lines, ...remedy].join('\n');
}
