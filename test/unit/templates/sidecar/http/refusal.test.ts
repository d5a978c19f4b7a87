import { expect, it } from 'vitest';
import { Refusal } from '../../../../../templates/sidecar/http/refusal.ts';

it('a challenge cannot be broken by what it says', () => {
  const challenge = new Refusal('invalid_token', 'bad "token" \\').challenge('https://a.example/m');
  expect(challenge).toBe(`Bearer error="invalid_token", error_description="bad 'token' '", resource_metadata="https://a.example/m"`);
  expect(new Refusal('not_member', 'x').challenge('https://a.example/m')).toBeUndefined();
});
