import { ConfigurationError, type Environment, jsonObject, texts } from '../../runtime/environment.ts';
import { switchesOff } from '../../runtime/services.ts';
import type { Tool } from './tool.ts';

/** Which operations of the API this tenant is offered: by the switches their tags belong to, and as tools by name as well. */
export class ToolSelection {
  /** Switches that are off, by the tags that belong to them. */
  readonly #off: ReadonlyMap<string, string>;
  readonly #allow: readonly Entry[] | undefined;
  readonly #deny: readonly Entry[];

  /**
   * @param off Switches that are off, by tag. An operation of several tags is off when one of them is.
   * @param names Patterns of tools' names, in which `*` stands for any text. Tools that `deny` matches are not offered, even when `allow` matches them.
   */
  constructor(off: ReadonlyMap<string, string>, names: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }) {
    this.#off = off;
    this.#allow = names.allow?.map(entryOf);
    this.#deny = (names.deny ?? []).map(entryOf);
  }

  /** Whether anything of the API may be switched off. */
  get closesAnything(): boolean {
    return this.#off.size > 0;
  }

  /** The switch that keeps operations of these tags off. */
  switchOff(tags: readonly string[]): string | undefined {
    return tags.map((tag) => this.#off.get(tag)).find((name) => name !== undefined);
  }

  /** Why the tool is not offered, in a sentence; undefined when it is. */
  reasonAgainst({ name, tags }: Pick<Tool, 'name' | 'tags'>): string | undefined {
    const service = this.switchOff(tags);
    if (service !== undefined) return `The tool "${name}" belongs to the service "${service}", which is switched off for this tenant.`;
    const allowed = this.#allow?.some(({ pattern }) => pattern.test(name)) ?? true;
    const denied = this.#deny.some(({ pattern }) => pattern.test(name));
    return allowed && !denied ? undefined : `The tool "${name}" is not offered to this tenant.`;
  }

  /** Entries that match none of `names`, such as `deny: delete_*`: most likely a typing error, or a tool that the API no longer has. */
  unmatched(names: readonly string[]): string[] {
    const without = (list: string, entries: readonly Entry[]): string[] =>
      entries.filter(({ pattern }) => !names.some((name) => pattern.test(name))).map(({ text }) => `${list}: ${text}`);
    return [...without('allow', this.#allow ?? []), ...without('deny', this.#deny)];
  }
}

/** An entry of `allow` or `deny` as it was written, and what it matches. */
interface Entry {
  readonly text: string;
  readonly pattern: RegExp;
}

/** From TENANTRY_SERVICES, TENANTRY_SERVICE_TAGS (`{"<switch>": ["<tag>"]}`; the switch itself when left out) and TENANTRY_TOOLS (`{allow?, deny?}`). */
export function readToolSelection(environment: Environment): ToolSelection {
  const tags = jsonObject(environment, 'TENANTRY_SERVICE_TAGS');
  const off = new Map<string, string>();
  for (const name of switchesOff(environment)) {
    for (const tag of texts(tags[name], `TENANTRY_SERVICE_TAGS, ${name},`) ?? [name]) off.set(tag, name);
  }
  const { allow, deny, ...others } = jsonObject(environment, 'TENANTRY_TOOLS');
  if (Object.keys(others).length > 0) throw new ConfigurationError('TENANTRY_TOOLS may hold allow and deny alone');
  const allowed = texts(allow, 'TENANTRY_TOOLS, allow,');
  return new ToolSelection(off, {
    ...(allowed && { allow: allowed }),
    deny: texts(deny, 'TENANTRY_TOOLS, deny,') ?? [],
  });
}

function entryOf(text: string): Entry {
  const parts = text.split(/\*+/).map((part) => part.replaceAll(/[\\^$.|?+()[\]{}/]/g, '\\$&'));
  return { text, pattern: new RegExp(`^${parts.join('.*')}$`, 's') };
}
