// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * Extracts one file from a .tar.gz, found by the end of its path. Supports only the part of the format that known publishers use, and
 * writes only `target`. @param {string} archive @param {string} name such as `/etcd` @param {string} target
 */
export function extractFile(archive, name, target) {
  const data = gunzipSync(readFileSync(archive));
  for (let at = 0; at + 512 <= data.length; ) {
    const path = text(data, at, 100);
    const size = Number.parseInt(text(data, at + 124, 12).trim() || '0', 8);
    const type = text(data, at + 156, 1);
    const prefix = text(data, at + 257, 5) === 'ustar' ? text(data, at + 345, 155) : '';
    const whole = prefix === '' ? path : `${prefix}/${path}`;
    if ((type === '0' || type === '') && whole.endsWith(name)) {
      writeFileSync(target, data.subarray(at + 512, at + 512 + size), { mode: 0o755 });
      return;
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`${archive} holds no ${name}`);
}

/** @param {Buffer} data @param {number} from @param {number} length */
function text(data, from, length) {
  const end = data.indexOf(0, from);
  return data.toString('utf8', from, end < 0 || end > from + length ? from + length : end);
}
