import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ApiReport } from '../../../crds/api-report.ts';
import { backoffMs } from '../../../net/backoff.ts';
import type { UpstreamCredentials } from '../auth/upstream-credentials.ts';
import { readText, type Upstream } from '../http/upstream.ts';
import type { Tool } from '../settings/tool.ts';
import type { ToolSelection } from '../settings/tool-selection.ts';
import { type ApiTools, apiTools, UnusableDocument } from './api-document.ts';
import { type ApiFault, documentFault, lasting } from './api-fault.ts';
import { concise } from './concise-schema.ts';
import { ClosedOperations } from './disabled-operations.ts';

/** How often the document is looked at once it is loaded, in milliseconds. With an ETag that is an empty answer. */
export const pollMs = 5000;
const firstRetryMs = 100;
/** Longest pause before the next attempt, in milliseconds. An API that starts is met soon; a document of megabytes is not parsed all the time. */
const lastRetryMs = { away: 1000, unusable: 3000 };
const documentLimit = 16 * 1024 * 1024;
/** Longest list of names in the summary. */
const longestList = 10;

/** A loaded document, with everything that requests need computed once. */
export interface LoadedTools {
  readonly version: string;
  readonly instructions: string | undefined;
  /** Those that are offered. */
  readonly byName: ReadonlyMap<string, Tool>;
  /** Those that the tenant's settings leave out, with the reason in a sentence. */
  readonly withheld: ReadonlyMap<string, WithheldTool>;
  /** Operations that the tenant's settings close at the REST API. */
  readonly closed: ClosedOperations;
  /** As tools/list shows them. */
  readonly listed: readonly ListedTool[];
  /** The same for callers who may only read. */
  readonly listedToReaders: readonly ListedTool[];
  /** The part of the report on the document. */
  readonly summary: NonNullable<ApiReport['document']>;
}

/** As the protocol has it: https://modelcontextprotocol.io/specification/2025-11-25/schema#tool */
type ListedTool = Readonly<Record<string, unknown>>;

export interface WithheldTool {
  readonly tool: Tool;
  readonly reason: string;
}

export interface ToolSourceOptions {
  readonly upstream: Upstream;
  readonly url: URL;
  readonly credentials: UpstreamCredentials;
  readonly selection: ToolSelection;
  readonly logger: Logger;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** The tools are others than before. */
  readonly onChange: () => void;
}

/** The tools of the API's document: loaded with back-off until the API is up, and again when the document changes. */
export class ToolSource {
  readonly #options: ToolSourceOptions;
  #loaded: LoadedTools | undefined;
  #fault: ApiFault | undefined;
  #tag: string | undefined;
  #digest = '';
  #wake = new AbortController();

  constructor(options: ToolSourceOptions) {
    this.#options = options;
  }

  /** Undefined until the document was loaded once; kept while the API is away. */
  get tools(): LoadedTools | undefined {
    return this.#loaded;
  }

  /** Why the last attempt to read the document failed; undefined when it succeeded. */
  get fault(): ApiFault | undefined {
    return this.#fault;
  }

  /** Looks at the document now: the API has behaved as if it was another one. */
  recheck(): void {
    this.#wake.abort();
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, url, now } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.#load(AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
        failures = 0;
        this.#fault = undefined;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#fault = lasting(documentFault(error, url), this.#fault, now());
        const level = this.#fault.reason === 'DocumentUnusable' || failures % 10 === 1 ? 'warn' : 'debug';
        logger[level]({ failures, err: error, fault: this.#fault.detail }, 'OpenAPI document not loaded');
      }
      const maxMs = this.#fault?.reason === 'DocumentUnusable' ? lastRetryMs.unusable : lastRetryMs.away;
      const pause = failures === 0 ? pollMs : backoffMs({ firstMs: firstRetryMs, maxMs }, failures);
      await sleep(pause, undefined, { signal: AbortSignal.any([signal, this.#wake.signal]) }).catch(() => {});
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { upstream, url, credentials, selection, logger } = this.#options;
    const answer = await upstream.request({
      method: 'GET',
      path: url.pathname,
      headers: {
        accept: 'application/json',
        ...(await credentials.ownHeaders()),
        ...(this.#tag !== undefined && { 'if-none-match': this.#tag }),
      },
      signal,
    });
    const text = await readText(answer.body, documentLimit);
    if (answer.status === 304) return;
    if (answer.status !== 200) throw new UnusableDocument(`is missing: GET ${url.pathname} answered ${answer.status}`);
    const digest = createHash('sha256').update(text).digest('base64');
    if (digest !== this.#digest) {
      const tools = apiTools(await parse(text, answer.headers['content-type']), { url, reservedHeaders: credentials.reserved });
      for (const { operation, reason } of tools.skipped) logger.warn({ operation, reason }, 'operation is no tool');
      this.#loaded = prepare(tools, selection);
      this.#digest = digest;
      logger.info({ tools: this.#loaded.byName.size, withheld: this.#loaded.withheld.size, version: tools.version }, 'tools loaded');
      this.#options.onChange();
    }
    const tag = answer.headers['etag'];
    this.#tag = typeof tag === 'string' ? tag : undefined;
  }
}

async function parse(text: string, type: string | string[] | undefined): Promise<unknown> {
  if (/^\s*<(!doctype|html)/i.test(text) || /^text\/html/i.test(String(type))) throw new UnusableDocument('is an HTML page');
  try {
    return JSON.parse(text);
  } catch {
    // Read only where it is needed: most documents are JSON.
    const { parse: parseYaml } = await import('yaml');
    try {
      return parseYaml(text, { maxAliasCount: 100 });
    } catch {
      throw new UnusableDocument('is neither JSON nor YAML');
    }
  }
}

function prepare({ version, instructions, tools, operations, skipped }: ApiTools, selection: ToolSelection): LoadedTools {
  const withheld = new Map<string, WithheldTool>();
  for (const tool of tools) {
    const reason = selection.reasonAgainst(tool);
    if (reason !== undefined) withheld.set(tool.name, { tool, reason });
  }
  const offered = tools.filter(({ name }) => !withheld.has(name));
  const listed = offered.map(({ name, title, description, inputSchema, annotations, tags }) => ({
    name,
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    inputSchema: concise(inputSchema),
    annotations,
    // Not read by LLMs.
    ...(tags.length > 0 && { _meta: { 'tenantry.dev/tags': tags } }),
  }));
  return {
    version,
    instructions,
    byName: new Map(offered.map((tool) => [tool.name, tool])),
    withheld,
    closed: new ClosedOperations(operations, ({ tags }) => selection.switchOff(tags) !== undefined),
    listed,
    listedToReaders: listed.filter(({ annotations }) => annotations.readOnlyHint),
    summary: {
      operations: operations.length,
      leftOut: { count: skipped.length, first: skipped.slice(0, longestList).map(({ operation, reason }) => `${operation}: ${reason}`) },
      unmatched: selection.unmatched(tools.map(({ name }) => name)).slice(0, longestList),
    },
  };
}
