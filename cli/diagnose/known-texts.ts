/**
 * Finds many texts in another in one pass over it, however many they are (Aho and Corasick, https://doi.org/10.1145/360825.360855).
 * A part of a secret that is itself one, or two that overlap, are found as a whole.
 */
export class KnownTexts {
  /** Where a character leads from a node: by node and UTF-16 code unit in one number. Node 0 is the beginning. */
  readonly #next = new Map<number, number>();
  /** The node of the longest proper end of a node's text that is the beginning of another's. */
  readonly #fallback: number[] = [0];
  /** Length of the longest text that ends at a node; 0 where none does. */
  readonly #length: number[] = [0];

  constructor(texts: Iterable<string>) {
    const edges: (readonly [code: number, node: number])[][] = [[]];
    for (const text of texts) {
      let node = 0;
      for (let index = 0; index < text.length; index++) {
        const code = text.charCodeAt(index);
        const known = this.#next.get(node * codes + code);
        const next = known ?? this.#length.length;
        if (known === undefined) {
          this.#next.set(node * codes + code, next);
          this.#length.push(0);
          this.#fallback.push(0);
          edges.push([]);
          edges[node]?.push([code, next]);
        }
        node = next;
      }
      this.#length[node] = text.length;
    }
    // Nearer nodes first: a fallback is always nearer to the beginning.
    const queue = (edges[0] ?? []).map(([, node]) => node);
    for (let at = 0; at < queue.length; at++) {
      const node = queue[at] ?? 0;
      for (const [code, next] of edges[node] ?? []) {
        const fallback = this.#step(this.#fallback[node] ?? 0, code);
        this.#fallback[next] = fallback;
        if (this.#length[next] === 0) this.#length[next] = this.#length[fallback] ?? 0;
        queue.push(next);
      }
    }
  }

  /** The text with `mark` in the place of each known one. */
  replaceIn(text: string, mark: string): string {
    if (this.#length.length === 1) return text;
    const pieces: string[] = [];
    let kept = 0;
    for (const [begin, end] of this.#spans(text)) {
      pieces.push(text.slice(kept, begin), mark);
      kept = end;
    }
    return kept === 0 ? text : pieces.join('') + text.slice(kept);
  }

  /** Where known texts are, in order, those that overlap as one. */
  #spans(text: string): [begin: number, end: number][] {
    const spans: [number, number][] = [];
    let node = 0;
    for (let index = 0; index < text.length; index++) {
      node = this.#step(node, text.charCodeAt(index));
      const length = this.#length[node] ?? 0;
      if (length === 0) continue;
      let begin = index + 1 - length;
      // Each span is taken off once at most.
      for (let last = spans.at(-1); last !== undefined && last[1] > begin; last = spans.at(-1)) {
        begin = Math.min(begin, last[0]);
        spans.pop();
      }
      spans.push([begin, index + 1]);
    }
    return spans;
  }

  #step(from: number, code: number): number {
    for (let node = from; ; node = this.#fallback[node] ?? 0) {
      const next = this.#next.get(node * codes + code);
      if (next !== undefined) return next;
      if (node === 0) return 0;
    }
  }
}

/** UTF-16 has that many code units. */
const codes = 0x1_0000;
