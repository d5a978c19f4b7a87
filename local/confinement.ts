import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Addressing } from '../crds/names.ts';
import type { KubeObject } from '../kube/resources.ts';

export interface Installation {
  /** User name of the operator's account, as the API server knows it. */
  readonly account: string;
  /** Namespace of the operator's Lease. */
  readonly namespace: string;
  readonly addressing: Addressing;
  /** Host of the Admin API, if it has one. */
  readonly adminHost?: string;
}

/** Renders the admission policies that confine the operator. Fills in the parts that differ between installations, as the chart does. */
export function confinementOf({ account, namespace, addressing, adminHost = '' }: Installation): KubeObject[] {
  const base = new URL(addressing.baseUrl);
  const parts: Readonly<Record<string, string>> = {
    account,
    namespace,
    'route-mode': addressing.mode,
    'base-host': base.hostname.replace(/^\[|\]$/g, ''),
    'base-path': base.pathname.replace(/\/+$/, ''),
    'admin-host': adminHost,
  };
  const text = readFileSync(join(import.meta.dirname, '../operator/confinement.yaml'), 'utf8');
  const filled = text.replace(/<([a-z-]+)>/g, (whole, part: string) => parts[part] ?? whole);
  return parseAllDocuments(filled).map((document) => document.toJS() as KubeObject);
}
