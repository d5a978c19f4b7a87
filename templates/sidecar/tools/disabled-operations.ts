/** An operation of the API's document. */
export interface ApiOperation {
  /** In capitals. */
  readonly method: string;
  /** At the API, base path included, with parameters in braces. */
  readonly path: string;
  readonly tags: readonly string[];
}

interface Place {
  readonly pattern: RegExp;
  /** Of each segment: 0 fixed, 1 partly a parameter, 2 a parameter. The lesser text is the closer match. */
  readonly rank: string;
  readonly methods: Map<string, boolean>;
}

/**
 * Finds the operation that a request addresses, to keep those of a switched-off service closed. Frameworks differ in what they take for
 * the same path, so case, a slash at the end, matrix parameters and needless escapes are ignored, as the most lenient of them do.
 */
export class ClosedOperations {
  readonly #places: readonly Place[];

  constructor(operations: readonly ApiOperation[], isClosed: (operation: ApiOperation) => boolean) {
    const places = new Map<string, Place>();
    for (const operation of operations) {
      const path = trimmed(operation.path.toLowerCase());
      const place = places.get(path) ?? { pattern: patternOf(path), rank: rankOf(path), methods: new Map<string, boolean>() };
      place.methods.set(operation.method, isClosed(operation));
      places.set(path, place);
    }
    const all = [...places.values()];
    // Skip the search when all operations are open.
    this.#places = all.some(({ methods }) => [...methods.values()].includes(true)) ? all.sort((a, b) => (a.rank < b.rank ? -1 : 1)) : [];
  }

  /**
   * @param path Of the request to the API, without query; its escapes are valid.
   * @returns Whether the closest operation of that method is closed; of a method that no match names, whether any other there is.
   */
  closes(method: string, path: string): boolean {
    if (this.#places.length === 0) return false;
    const asked = trimmed(
      decodeURIComponent(path)
        .toLowerCase()
        .replaceAll(/;[^/]*/g, ''),
    );
    const matching = this.#places.filter(({ pattern }) => pattern.test(asked));
    const stateAt = ({ methods }: Place) => methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined);
    // A router that knows another method alone at the closest match goes on to the next.
    const closest = matching.find((place) => stateAt(place) !== undefined)?.rank;
    if (closest === undefined) return matching.some(({ methods }) => [...methods.values()].includes(true));
    return matching.some((place) => place.rank === closest && stateAt(place) === true);
  }
}

function trimmed(path: string): string {
  return path.replace(/\/+$/, '');
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{[^}]*\}/).map((part) => part.replaceAll(/[\\^$.|?*+()[\]{}/]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]+')}$`);
}

function rankOf(path: string): string {
  return path
    .split('/')
    .map((segment) => (/^\{[^}]*\}$/.test(segment) ? '2' : segment.includes('{') ? '1' : '0'))
    .join('');
}
