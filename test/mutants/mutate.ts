import { parseAst } from 'rolldown/parseAst';

/** One change of a program that some test should notice. */
export interface Mutant {
  readonly id: number;
  readonly file: string;
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

interface Change {
  readonly id: number;
  readonly after: string;
}

const operators: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '&&': '||',
  '||': '&&',
  '*': '/',
  '/': '*',
  '**': '*',
  '-': '+',
};
const methods: Readonly<Record<string, string>> = {
  every: 'some',
  some: 'every',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
  min: 'max',
  max: 'min',
  ceil: 'floor',
  floor: 'ceil',
};
/** Calls that are left out, so that what they are called on passes through. */
const passing: ReadonlySet<string> = new Set(['filter', 'toSorted', 'sort', 'trim', 'toLowerCase']);
/** Constants from here on tune the program, such as time limits in milliseconds: one more changes nothing that a test could notice. */
const tuning = 1_000;
/** Calls that write to a log. */
const logging = /\b(log|logger|#log)\.(trace|debug|info|warn|error|fatal)$/;
/** Global function in the worker that runs the tests: whether the mutant of that number is active. */
export const isActive = '__isActiveMutant';

const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';

/**
 * Rewrites a program so that it contains all its mutants, each behind a question for its number: `(isActive(7) ? b : a)`. The program is
 * thereby transformed once, and not once a mutant.
 * @param firstId number of the first mutant.
 */
export function mutate(file: string, source: string, firstId: number): { readonly code: string; readonly mutants: readonly Mutant[] } {
  const mutants: Mutant[] = [];
  const fixed = new Set<SyntaxNode>();
  const text = (node: SyntaxNode): string => source.slice(node.start, node.end);
  const change = (node: SyntaxNode, after: string): Change => {
    const id = firstId + mutants.length;
    const line = source.slice(0, node.start).split('\n').length;
    mutants.push({ id, file, line, before: text(node), after });
    return { id, after };
  };

  const changesOf = (node: SyntaxNode): Change[] => {
    const { left, right, operator, callee, argument, value } = node as Record<string, SyntaxNode | string | number | undefined>;
    if ((node.type === 'BinaryExpression' || node.type === 'LogicalExpression') && isNode(left) && isNode(right)) {
      const swapped = operators[String(operator)];
      return swapped === undefined ? [] : [change(node, `${text(left)} ${swapped} ${text(right)}`)];
    }
    if (node.type === 'UnaryExpression' && operator === '!' && isNode(argument)) return [change(node, text(argument))];
    if (node.type === 'Literal' && typeof value === 'boolean') return [change(node, String(!value))];
    if (node.type === 'Literal' && typeof value === 'number' && Number(value) < tuning) return [change(node, `${text(node)} + 1`)];
    if (node.type === 'CallExpression' && isNode(callee) && callee.type === 'MemberExpression' && callee['optional'] !== true) {
      const { object, property } = callee as unknown as { object: SyntaxNode; property: SyntaxNode };
      const name = text(property);
      if (Object.hasOwn(methods, name)) {
        const swapped = `${source.slice(node.start, property.start)}${methods[name]}${source.slice(property.end, node.end)}`;
        return [change(node, swapped)];
      }
      if (passing.has(name)) return [change(node, text(object))];
    }
    return [];
  };

  const render = (node: SyntaxNode): string => {
    if (fixed.has(node)) return text(node);
    for (const part of fixedIn(node, text)) fixed.add(part);
    let written = '';
    let at = node.start;
    for (const child of childrenOf(node)) {
      const condition = child === node['test'] && (node.type === 'IfStatement' || node.type === 'ConditionalExpression');
      const changes = condition ? [change(child, 'true'), change(child, 'false')] : [];
      written += source.slice(at, child.start) + asked(render(child), changes);
      at = child.end;
    }
    written += source.slice(at, node.end);
    return asked(written, changesOf(node));
  };
  const program = parseAst(source, { lang: 'ts' }, file) as unknown as SyntaxNode;
  const code = render(program);
  return { code: source.slice(0, program.start) + code + source.slice(program.end), mutants };
}

const asked = (original: string, changes: readonly Change[]): string =>
  changes.reduce((text, { id, after }) => `(globalThis.${isActive}?.(${id}) ? (${after}) : (${text}))`, original);

/** The parts of a node that are not changed: words for people, in a log or in an error that it throws, and the order that a comparator gives. */
function fixedIn(node: SyntaxNode, text: (node: SyntaxNode) => string): readonly SyntaxNode[] {
  const { callee, argument } = node as { callee?: unknown; argument?: unknown };
  if (node.type === 'CallExpression' && isNode(callee) && logging.test(text(callee))) return node['arguments'] as SyntaxNode[];
  // The size of a comparator's result has no meaning.
  if (
    node.type === 'ConditionalExpression' &&
    /^(-1 : 1|1 : -1)$/.test(`${text(node['consequent'] as SyntaxNode)} : ${text(node['alternate'] as SyntaxNode)}`)
  )
    return [node['consequent'] as SyntaxNode, node['alternate'] as SyntaxNode];
  if (node.type !== 'ThrowStatement' || !isNode(argument) || argument.type !== 'NewExpression') return [];
  return (argument['arguments'] as SyntaxNode[]).filter(({ type }) => type === 'TemplateLiteral');
}

/** In the order of the text; types, names of properties and what may not be an arbitrary expression are left out. */
function childrenOf(node: SyntaxNode): SyntaxNode[] {
  if (
    node.type.startsWith('TS') &&
    node.type !== 'TSAsExpression' &&
    node.type !== 'TSSatisfiesExpression' &&
    node.type !== 'TSNonNullExpression'
  )
    return [];
  // An optional chain ends as a whole: no part of it may be replaced.
  if (['ImportDeclaration', 'ExportAllDeclaration', 'ExportSpecifier', 'ChainExpression', 'TemplateElement'].includes(node.type)) return [];
  const children = Object.entries(node).flatMap(([field, value]) => {
    if ((field === 'key' || field === 'property') && node['computed'] !== true) return [];
    if (['typeAnnotation', 'returnType', 'typeParameters', 'typeArguments', 'id', 'params', 'decorators'].includes(field)) return [];
    return Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [];
  });
  return children.filter(({ start, end }) => end > start).toSorted((a, b) => a.start - b.start);
}
