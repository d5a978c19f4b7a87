const factors: Readonly<Record<string, number>> = {
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

/** A Kubernetes quantity (`250m`, `128Mi`) as a number of cores or bytes. @throws Error when it is none. */
export function parseQuantity(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(text);
  if (match?.[1] === undefined) throw new Error(`"${text}" is not a quantity such as 250m or 128Mi`);
  return Number(match[1]) * (match[2] === undefined ? 1 : (factors[match[2]] ?? 1));
}
