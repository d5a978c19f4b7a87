import { expect, test } from 'vitest';
import { canonicalJson } from '../../audit/json.ts';
import { newRecordId } from '../../audit/record.ts';

test('a record id is a UUID of version 7 that begins with its time', () => {
  // The example of RFC 9562, appendix A.6.
  const random = Buffer.from('0cc318c4dc0c0c07398f', 'hex');
  expect(newRecordId(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  expect(newRecordId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('canonical JSON follows RFC 8785', () => {
  // The example of its section 3.2.2, and the order of its section 3.2.3.
  const example = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
    literals: [null, true, false],
  };
  expect(canonicalJson(example)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
  const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  expect([...canonicalJson(names).matchAll(/:(\d)/g)].map(([, digit]) => digit).join('')).toBe('2467153');
});

test('canonical JSON refuses impossible values, leaves out undefined ones and accepts any name', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, () => 1, [undefined], { a: 1n }])
    expect(() => canonicalJson(value)).toThrow(TypeError);
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
  expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"c":1}}'))).toBe('{"__proto__":{"c":1},"b":1}');
  expect(canonicalJson('\ud800')).toBe(String.raw`"\ud800"`);
});
