import { type Finding, type Link, type LinkName, notChecked } from './link.ts';
import { controlPlaneLink } from './links/control-plane.ts';
import { databaseLink } from './links/database.ts';
import { handshakeLink } from './links/handshake.ts';
import { metadataLink } from './links/metadata.ts';
import { dnsLink, tcpLink, tlsLink } from './links/network.ts';
import { podLink } from './links/pod.ts';
import { routeLink } from './links/route.ts';
import { tenantLink } from './links/tenant.ts';
import { tokenLink } from './links/token.ts';
import { asPermitted } from './permitted.ts';
import type { Redactor } from './redact.ts';
import type { Scene } from './scene.ts';

const links: readonly Link[] = [
  tenantLink,
  dnsLink,
  tcpLink,
  tlsLink,
  routeLink,
  podLink,
  databaseLink,
  metadataLink,
  controlPlaneLink,
  tokenLink,
  handshakeLink,
];

export type Step = Finding & { readonly name: LinkName };

export interface Walk {
  readonly tenant: string | undefined;
  readonly url: string | undefined;
  /** Start of the walk, RFC 3339. */
  readonly time: string;
  readonly steps: readonly Step[];
  /** The first broken link. It may be the cause of other broken links. */
  readonly firstBroken:
    | { readonly name: LinkName; readonly fault: string; readonly remedy: string; readonly commands: readonly string[] }
    | undefined;
}

/** Checks every link that can be checked, in order, and passes each step to `tell` at once. Every step is redacted. */
export async function walk(scene: Scene, redactor: Redactor, tell: (step: Step) => void): Promise<Walk> {
  const time = scene.now().toISOString();
  const steps: Step[] = [];
  const severed = new Map<LinkName, LinkName>();
  for (const link of links) {
    scene.signal.throwIfAborted();
    const cause = link.needs.map((name) => severed.get(name)).find((name) => name !== undefined);
    const outside =
      scene.outside === undefined || (['dns', 'tcp', 'tls'] as const).some((name) => severed.has(name)) ? 'unreachable' : 'reachable';
    const finding = cause === undefined ? await asPermitted(() => link.check(scene, outside)) : notChecked(`the link ${cause} is broken`);
    if (cause !== undefined) severed.set(link.name, cause);
    else if (finding.state === 'broken') severed.set(link.name, link.name);
    const step = redactor.values({ name: link.name, ...finding }) as Step;
    steps.push(step);
    tell(step);
  }
  const first = steps.find((step) => step.state === 'broken');
  return {
    tenant: scene.tenant?.name,
    url: scene.url,
    time,
    steps,
    firstBroken:
      first?.state === 'broken' ? { name: first.name, fault: first.fault, remedy: first.remedy, commands: first.commands } : undefined,
  };
}
