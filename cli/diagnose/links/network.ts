import { lookup } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { trustedWith } from '../../../kube/public-fetch.ts';
import { causeOf } from '../cause.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import type { Outside } from '../outside.ts';

const timeoutMs = 10_000;
/** Remaining days of a certificate below which it gets a remark. Certificate managers renew earlier. */
const soonDays = 14;
const noUrl = notChecked('the tenant has no URL yet; the operator sets it once the template is resolved');

/** Checks that the URL's host resolves to an address. */
export const dnsLink: Link = {
  name: 'dns',
  needs: [],
  async check({ outside }) {
    if (outside === undefined) return noUrl;
    const { host } = outside.target;
    if (outside.dialOptions.address !== undefined) return notChecked(`${host} is dialled instead of the URL's host, as --address says`);
    if (isIP(host) !== 0) return notChecked(`${host} is an address`);
    try {
      const addresses = await lookup(host, { all: true });
      return ok(`${host}: ${addresses.map(({ address }) => address).join(', ')}`);
    } catch (error) {
      return broken(
        `${host}: ${causeOf(error)}`,
        `Enter ${host} at your DNS provider so that it leads to the gateway, or correct the installation's base URL (baseUrl in its Helm values).`,
      );
    }
  },
};

/** Checks that the address accepts TCP connections. */
export const tcpLink: Link = {
  name: 'tcp',
  needs: ['dns'],
  async check({ outside, commands, signal }) {
    if (outside === undefined) return noUrl;
    const { host, port } = outside.target;
    try {
      const address = await reach(host, port, signal);
      return ok(`${address} port ${port} is open`);
    } catch (error) {
      signal.throwIfAborted();
      return broken(
        `${host} port ${port}: ${causeOf(error)}`,
        'Look whether the gateway or Ingress controller runs and has this address, and whether a firewall stands between.',
        [],
        [commands.kubectl('get', 'services', '--all-namespaces')],
      );
    }
  },
};

function reach(host: string, port: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({ signal });
    socket.setTimeout(timeoutMs);
    socket.connect({ host, port, autoSelectFamily: true });
    socket.once('connect', () => {
      resolve(socket.remoteAddress ?? host);
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    socket.once('error', reject);
  });
}

/** Checks that clients accept the certificate for this host. */
export const tlsLink: Link = {
  name: 'tls',
  needs: ['dns', 'tcp'],
  async check({ outside, signal, now }) {
    if (outside === undefined) return noUrl;
    if (outside.url.protocol !== 'https:') return notChecked('the URL is plain http');
    try {
      return judge(await shake(outside, signal), outside, now());
    } catch (error) {
      signal.throwIfAborted();
      return broken(
        `the TLS handshake failed: ${causeOf(error)}`,
        'Look at the TLS settings of the gateway, and whether another program listens on this port.',
      );
    }
  },
};

interface Shaken {
  readonly certificate: PeerCertificate;
  readonly protocol: string | null;
  /** Error code with which a client would reject the certificate; undefined if it is accepted. */
  readonly refusal: string | undefined;
}

function shake(outside: Outside, signal: AbortSignal): Promise<Shaken> {
  const { host, port } = outside.target;
  const name = outside.url.hostname.replace(/^\[|\]$/g, '');
  const { caFile } = outside.dialOptions;
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port,
      timeout: timeoutMs,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(caFile === undefined ? {} : { ca: trustedWith(caFile) }),
      // An invalid certificate is reported, not thrown. This is safe because no data is sent over this connection.
      rejectUnauthorized: false,
    });
    addAbortSignal(signal, socket);
    socket.once('secureConnect', () => {
      const { authorizationError: refused } = socket;
      const refusal = refused === null || refused === undefined ? undefined : ((refused as { code?: string }).code ?? String(refused));
      resolve({ certificate: socket.getPeerCertificate(), protocol: socket.getProtocol(), refusal });
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    socket.once('error', reject);
  });
}

function judge({ certificate, protocol, refusal }: Shaken, { url }: Outside, now: Date): Finding {
  const until = new Date(certificate.valid_to);
  const days = Math.floor((until.getTime() - now.getTime()) / 86_400_000);
  const names = certificate.subjectaltname?.replaceAll('DNS:', '') ?? nameOf(certificate.subject);
  const seen = [
    `${protocol ?? 'TLS'}, certificate for ${names}`,
    `issued by ${nameOf(certificate.issuer)}, valid until ${until.toISOString().slice(0, 10)}${days >= 0 && days < soonDays ? `: only ${days} days` : ''}`,
  ];
  if (until.getTime() < now.getTime())
    return broken(
      `the certificate ended ${-days} days ago`,
      'Renew it: look at its Certificate and at cert-manager, or replace the Secret that the gateway serves.',
      seen,
    );
  if (refusal === undefined) return ok(...seen);
  if (refusal === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return broken(
      `the certificate is not for ${url.hostname}`,
      `Have one issued that names ${url.hostname}, or a wildcard above it, and give it to the gateway.`,
      seen,
    );
  if (refusal === 'CERT_NOT_YET_VALID')
    return broken(
      `the certificate is valid only from ${certificate.valid_from}`,
      'Look at the clocks of this machine and of the issuer.',
      seen,
    );
  return broken(
    `the certificate's chain is not trusted (${refusal})`,
    'Serve the whole chain, with a certificate of an authority that clients trust. For an authority of your own: tenantry diagnose --ca <file>, and give the same file to the clients.',
    seen,
  );
}

function nameOf(subject: PeerCertificate['subject'] | undefined): string {
  const name = subject?.CN ?? subject?.O ?? 'unnamed';
  return Array.isArray(name) ? name.join(', ') : name;
}
