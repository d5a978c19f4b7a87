/** Replaces each known text with `mark`. Known texts that overlap or touch are replaced by one `mark`. */
export function replaceKnown(text: string, known: Iterable<string>, mark: string): string {
  const pieces: string[] = [];
  let kept = 0;
  for (const [begin, end] of merged(spansOf(text, known))) {
    pieces.push(text.slice(kept, begin), mark);
    kept = end;
  }
  return pieces.join('') + text.slice(kept);
}

type Span = readonly [begin: number, end: number];

function spansOf(text: string, known: Iterable<string>): Span[] {
  const spans: Span[] = [];
  for (const one of known) {
    if (one === '') continue;
    // The search continues at the next character, because a text may overlap itself.
    for (let at = text.indexOf(one); at !== -1; at = text.indexOf(one, at + 1)) spans.push([at, at + one.length]);
  }
  return spans.sort(([a], [b]) => a - b);
}

function merged(spans: readonly Span[]): Span[] {
  const whole: Span[] = [];
  for (const [begin, end] of spans) {
    const last = whole.at(-1);
    if (last === undefined || begin > last[1]) whole.push([begin, end]);
    else whole[whole.length - 1] = [last[0], Math.max(last[1], end)];
  }
  return whole;
}
