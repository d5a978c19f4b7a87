/** A clock that stands still until a test moves it. */
export function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}
