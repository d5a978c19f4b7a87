/**
 * Returns why a request target must not be forwarded. Undefined when it may be. Router and pod must read the same path, so a path that
 * only one of them might decode, merge or resolve is refused. Otherwise a differently spelled path could bypass a route's prefix.
 */
export function refusalOf(target: string): string | undefined {
  if (!target.startsWith('/')) return 'the request target must be a path';
  const path = pathOf(target);
  if (/[^\x21-\x7e]|[\\#]/.test(target)) return 'the path has characters that must be percent-encoded';
  if (path.includes('//')) return 'the path has an empty segment';
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return 'the path has an incomplete percent-encoding';
  if (/%(2f|5c|00)/i.test(path)) return 'the path has an encoded slash, backslash or zero byte';
  // Some servers remove path parameters (`..;a`) before they evaluate the segment.
  const dots = path.split('/').some((segment) => /^\.{1,2}$/.test(segment.replace(/%2e/gi, '.').replace(/(;|%3b).*$/i, '')));
  return dots ? 'the path has a dot segment' : undefined;
}

export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}
