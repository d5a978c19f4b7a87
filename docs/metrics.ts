export interface MetricDefinition {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

const constructors = /new (Counter|Gauge|Histogram|Summary)\b(?:<[^(]*>)?\(/g;
const literal = (key: string): RegExp => new RegExp(`\\b${key}: (?:'((?:[^'\\\\]|\\\\.)*)'|"((?:[^"\\\\]|\\\\.)*)")`);

/**
 * The metrics that a source text defines with prom-client. Metrics are made where their program starts, so the text is the one place that
 * shows them all.
 * @throws Error for a metric whose name or help is not a plain string
 */
export function metricsIn(text: string, source: string): MetricDefinition[] {
  return [...text.matchAll(constructors)].map((match) => {
    const options = text.slice(match.index, text.indexOf('registers', match.index));
    const read = (key: string): string => {
      const found = literal(key).exec(options);
      const value = found?.[1] ?? found?.[2];
      if (value === undefined) throw new Error(`${source}: a ${match[1]} has no ${key} that is a plain string`);
      return value;
    };
    const labels = /labelNames: \[([^\]]*)\]/.exec(options)?.[1] ?? '';
    return {
      name: read('name'),
      type: (match[1] ?? '').toLowerCase(),
      help: read('help'),
      labels: [...labels.matchAll(/'([^']+)'/g)].map(([, label]) => label ?? ''),
    };
  });
}
