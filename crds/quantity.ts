const factors: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity (`250m`, `128Mi`) as a number of cores or bytes; undefined if the text is not a quantity. */
export function readQuantity(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(text);
  return match ? Number(match[1]) * (factors[match[2] ?? ''] ?? 1) : undefined;
}

/** Like readQuantity. @throws Error if the text is not a quantity. */
export function parseQuantity(text: string): number {
  const value = readQuantity(text);
  if (value === undefined) throw new Error(`"${text}" is not a quantity such as 250m or 128Mi`);
  return value;
}

export const formatCpu = (cores: number): string => `${Math.ceil(cores * 1000)}m`;
export const formatMemory = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)}Mi`;
