import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { stackTemplateSpec } from '../../../../crds/stack-template.ts';
import type { Schema } from '../../../../templates/api-kit/database.ts';
import { describeApi, withoutServices } from '../../../../templates/api-kit/stack.ts';
import { apiTools } from '../../../../templates/sidecar/tools/api-document.ts';
import { concise } from '../../../../templates/sidecar/tools/concise-schema.ts';
import { ArgumentChecker } from '../../../../templates/sidecar/tools/tool-arguments.ts';
import { programs, stack } from '../../../../templates/toolbridge/program.ts';

const templates = new URL('../../../../templates', import.meta.url).pathname;
const template = parse(readFileSync(join(templates, 'toolbridge/template.yaml'), 'utf8'));

/** Compiles queries and runs none. */
const db = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});
const { document } = describeApi(stack, db, { defaultPageSize: 100, clock: () => new Date(0) });
const { tools, skipped } = apiTools(JSON.parse(JSON.stringify(document)), {
  url: new URL('http://127.0.0.1:8081/openapi.json'),
  reservedHeaders: [],
});

/**
 * Tokens as language models count them, roughly: a short word, up to three digits or a run of punctuation is one. Where
 * this gives 57.9 a tool, o200k_base gives 58.8 and cl100k_base 56.8.
 */
function tokens(text: string): number {
  return text.match(/[A-Z]?[a-z]{1,10}|[A-Z]{1,4}|\d{1,3}|[^\sA-Za-z\d]{1,4}/g)?.length ?? 0;
}

describe('the template', () => {
  it('is a StackTemplate', () => {
    expect(template).toMatchObject({ apiVersion: 'tenantry.dev/v1alpha1', kind: 'StackTemplate', metadata: { name: 'toolbridge' } });
    expect(stackTemplateSpec.safeParse(template.spec).error).toBeUndefined();
  });

  it('starts programs that exist', () => {
    const [api] = template.spec.containers;
    expect(api.args[0]).toBe('toolbridge');
    expect(Object.keys(programs)).toContain(api.args[1]);
    expect(Object.keys(programs)).toContain(template.spec.database.migration.args[1]);
  });

  it('has a switch for every entity, whose operations bear it as tag', () => {
    const switches = stackTemplateSpec.parse(template.spec).services?.map(({ name, tags = [name] }) => [name, tags]);
    const services = [...new Set(stack.entities.map(({ service }) => service))];
    expect(switches).toEqual(services.map((service) => [service, [service]]));
    expect(new Set(tools.flatMap(({ tags }) => tags))).toEqual(new Set(services));
    expect(tools.every(({ tags }) => tags.length === 1)).toBe(true);
    const without = describeApi(withoutServices(stack, new Set(['chats', 'unknown'])), db, {
      defaultPageSize: 100,
      clock: () => new Date(0),
    });
    expect(without.operations.filter(({ operationId }) => operationId.includes('chat'))).toEqual([]);
    expect(without.operations).toHaveLength(24);
    expect(JSON.stringify(without.document)).not.toContain('chat_message');
  });

  it('binds every parameter to a variable, with defaults that fit', () => {
    const { properties } = template.spec.parameters;
    const validate = new Ajv2020({ useDefaults: true }).compile(template.spec.parameters);
    const parameters = {};
    expect(validate(parameters)).toBe(true);
    expect(parameters).toEqual({ defaultPageSize: 100, logLevel: 'info' });
    const variables: { parameter?: string }[] = template.spec.containers[0].env;
    const bound = variables.flatMap(({ parameter }) => parameter ?? []);
    expect(bound.toSorted()).toEqual(Object.keys(properties).map((name) => `/${name}`));
    expect(validate({ defaultPageSize: 1001 })).toBe(false);
  });
});

describe('the tools', () => {
  // Compiles a validator for each, which takes its time on a busy machine.
  it('are 40, all of them usable', { timeout: 30_000 }, () => {
    expect(skipped).toEqual([]);
    expect(tools).toHaveLength(40);
    const checker = new ArgumentChecker();
    for (const tool of tools) expect(checker.check(tool, { nonsense: 1 })).toBeInstanceOf(Array);
  });

  it('cost at most 60 tokens each, on average, for name, description and input schema', () => {
    const costs = tools.map((tool) => tokens(JSON.stringify([tool.name, tool.description, concise(tool.inputSchema)])));
    expect(costs.reduce((sum, cost) => sum + cost, 0) / tools.length).toBeLessThanOrEqual(60);
  });

  it('are described in one short sentence each, no two alike', () => {
    const descriptions = tools.map((tool) => tool.description ?? '');
    expect(new Set(descriptions).size).toBe(40);
    for (const description of descriptions) expect(description).toMatch(/^[A-Z].{5,70}\.$/);
  });

  it('say what is wrong with a date in the words of its description, and refuse days that do not exist', () => {
    const tool = tools.find(({ name }) => name === 'create_task');
    if (tool === undefined) throw new Error('no create_task');
    const checker = new ArgumentChecker();
    const check = (dueDate: string) => checker.check(tool, { title: 'a', dueDate });
    for (const good of ['2027-01-31', '2028-02-29', '2000-02-29', '2027-12-31T09:00Z', '2027-01-31T09:00:00.5+02:00']) {
      expect(check(good), good).toEqual([]);
    }
    for (const bad of ['2027-02-31', '2027-02-29', '2100-02-29', '2027-04-31', '2027-13-01', '2027-01-31T24:00:00Z', 'soon']) {
      expect(check(bad), bad).toEqual(['dueDate must be as described: a date such as 2027-01-31 or a time such as 2027-01-31T09:00:00Z']);
    }
  });

  it('say what an update does with the fields left out, and where a cursor comes from', () => {
    const described = Object.fromEntries(tools.map((tool) => [tool.name, tool]));
    expect(described['update_note']?.description).toBe('Replace a note; omitted fields are removed or reset.');
    expect(described['create_note']?.description).toBe('Create a note. Further fields are stored as given.');
    expect(described['list_notes']?.inputSchema).toMatchObject({
      properties: { cursor: { description: 'nextCursor of the previous page' } },
    });
  });

  it('take no arguments with an action but those it has', () => {
    for (const tool of tools.filter(({ name }) => name.startsWith('process_'))) {
      expect(new ArgumentChecker().check(tool, { uid: crypto.randomUUID(), action: 'x', version: 1 })).toContain(
        'version is no argument of this tool; it has: uid, ifMatch, action',
      );
    }
  });

  it('hide what only actions set', () => {
    const properties = tools.flatMap((tool) => Object.keys(tool.inputSchema['properties'] as object));
    for (const managed of ['pinned', 'resolved', 'readAt', 'deliveredAt']) expect(properties).not.toContain(managed);
  });

  it('have closed enums for what is closed', () => {
    const property = (name: string, argument: string) => {
      const schema = tools.find((tool) => tool.name === name)?.inputSchema as { properties: Record<string, { enum?: string[] }> };
      return schema.properties[argument]?.enum;
    };
    expect(property('create_task', 'status')).toEqual(['todo', 'in_progress', 'done']);
    expect(property('process_chat_message', 'action')).toEqual(['mark_read', 'mark_delivered']);
    expect(property('patch_task', 'priority')).toEqual(['low', 'medium', 'high', null]);
  });
});
