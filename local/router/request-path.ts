/**
 * Why a request target must not be forwarded; undefined when it may be. Router and pod must read the same path: what one of them would
 * decode, merge or resolve and the other not is refused, so that nobody gets past a route's prefix by a trick of spelling.
 */
export function refusalOf(target: string): string | undefined {
  if (!target.startsWith('/')) return 'the request target must be a path';
  const path = pathOf(target);
  if (/[^\x21-\x7e]|[\\#]/.test(target)) return 'the path has characters that must be percent-encoded';
  if (path.includes('//')) return 'the path has an empty segment';
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return 'the path has an incomplete percent-encoding';
  if (/%(2f|5c|00)/i.test(path)) return 'the path has an encoded slash, backslash or zero byte';
  // Some servers cut path parameters (`..;a`) off before they look at the segment.
  const dots = path.split('/').some((segment) => /^\.{1,2}$/.test(segment.replace(/%2e/gi, '.').replace(/(;|%3b).*$/i, '')));
  return dots ? 'the path has a dot segment' : undefined;
}

export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}
