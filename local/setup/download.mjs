// @ts-check
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';

/** Time limit of a connection, in milliseconds. A closed network refuses at once or never answers. */
const connectMs = 5_000;
/** Longest pause of a download before it fails, in milliseconds. */
const idleMs = 30_000;
const maxRedirects = 5;

/** The file cannot be reached over the network. */
export class UnreachableError extends Error {
  /** @param {string} url @param {string} reason */
  constructor(url, reason) {
    super(`${url}: ${reason}`);
    this.name = 'UnreachableError';
  }
}

/** The file does not match its publisher's checksum. */
export class ChecksumError extends Error {
  /** @param {string} url @param {string} expected @param {string} actual */
  constructor(url, expected, actual) {
    super(`${url} has SHA-256 ${actual}, but its publisher names ${expected}`);
    this.name = 'ChecksumError';
  }
}

/** Downloads a small file as text. @param {string} url @param {NodeJS.ProcessEnv} env @returns {Promise<string>} */
export async function fetchText(url, env) {
  const response = await open(url, env, maxRedirects);
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  return text;
}

/**
 * Downloads a file and checks its SHA-256.
 * @param {string} url @param {string} sha256 hexadecimal @param {string} target
 * @param {{env: NodeJS.ProcessEnv, detail: (text: string) => void}} options
 */
export async function fetchFile(url, sha256, target, { env, detail }) {
  const response = await open(url, env, maxRedirects);
  const total = Number(response.headers['content-length'] ?? 0);
  const hash = createHash('sha256');
  let received = 0;
  const count = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      received += chunk.length;
      detail(`${megabytes(received)}${total > 0 ? ` of ${megabytes(total)}` : ''} MB`);
      done(null, chunk);
    },
  });
  try {
    await pipeline(response, count, createWriteStream(target, { mode: 0o700 }));
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS') throw error;
    throw new UnreachableError(url, `broke off after ${megabytes(received)} MB`);
  }
  const actual = hash.digest('hex');
  if (actual !== sha256) throw new ChecksumError(url, sha256, actual);
}

/** @param {number} bytes */
function megabytes(bytes) {
  return Math.round(bytes / 1e6);
}

/** @param {string} url @param {NodeJS.ProcessEnv} env @param {number} redirects @returns {Promise<http.IncomingMessage>} */
async function open(url, env, redirects) {
  const response = await request(url, env);
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
    response.resume();
    if (redirects === 0) throw new UnreachableError(url, 'too many redirects');
    return open(new URL(headers.location, url).href, env, redirects - 1);
  }
  if (statusCode === 200) return response;
  response.resume();
  throw new UnreachableError(url, `HTTP ${statusCode}`);
}

/** @param {string} url @param {NodeJS.ProcessEnv} env @returns {Promise<http.IncomingMessage>} */
async function request(url, env) {
  const target = new URL(url);
  const proxy = proxyFor(target, env);
  const socket = proxy === undefined ? undefined : await tunnel(proxy, target);
  return new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ reason) => reject(new UnreachableError(url, reason));
    const client = target.protocol === 'http:' ? http : https;
    const options = { headers: { 'user-agent': 'tenantry-setup' }, agent: false };
    const asking = client.get(target, socket === undefined ? options : { ...options, createConnection: () => socket });
    const patience = setTimeout(() => asking.destroy(new Error(`no answer within ${connectMs / 1000} s`)), connectMs);
    asking.once('response', (response) => {
      clearTimeout(patience);
      response.setTimeout(idleMs, () => response.destroy(new Error('stands still')));
      resolve(response);
    });
    asking.once('error', (error) => {
      clearTimeout(patience);
      fail(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message);
    });
  });
}

/** @param {URL} target @param {NodeJS.ProcessEnv} env @returns {URL | undefined} */
function proxyFor(target, env) {
  const value = target.protocol === 'https:' ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy);
  if (!value) return undefined;
  const except = (env.NO_PROXY ?? env.no_proxy ?? '').split(',').map((name) => name.trim().replace(/^\*?\./, ''));
  const bypassed = except.some(
    (name) => name === '*' || (name !== '' && (target.hostname === name || target.hostname.endsWith(`.${name}`))),
  );
  return bypassed ? undefined : new URL(value.includes('://') ? value : `http://${value}`);
}

/** Opens a connection through an HTTP proxy (CONNECT). @param {URL} proxy @param {URL} target @returns {Promise<import('node:net').Socket>} */
function tunnel(proxy, target) {
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  const authority = `${target.hostname}:${port}`;
  const login = proxy.username === '' ? undefined : `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ reason) => reject(new UnreachableError(target.href, `proxy ${proxy.host}: ${reason}`));
    const asking = http.request({
      host: proxy.hostname,
      port: proxy.port || 80,
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(login === undefined ? {} : { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }),
      },
      timeout: connectMs,
    });
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${connectMs / 1000} s`)));
    asking.once('error', (error) => fail(error.message));
    asking.once('connect', (response, socket) => {
      if (response.statusCode !== 200) fail(`HTTP ${response.statusCode}`);
      else resolve(target.protocol === 'https:' ? tls.connect({ socket, servername: target.hostname }) : socket);
    });
    asking.end();
  });
}
