import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { parseAllDocuments } from 'yaml';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../objects/names.ts';

/**
 * Applies the StackTemplates that came with the installation. A template that the API server refuses is logged and skipped, so that the
 * other templates and the tenants are still served.
 */
export async function applyTemplates(folder: string, client: KubeClient, log: Logger, signal: AbortSignal): Promise<void> {
  for (const template of readTemplates(folder)) {
    try {
      await client.apply(kinds.StackTemplate, template, { fieldManager, signal });
      log.info({ template: template.metadata.name }, 'template applied');
    } catch (error) {
      if (!(error instanceof KubeError) || error.retryable) throw error;
      log.error({ template: template.metadata.name, err: error }, 'template refused');
    }
  }
}

function readTemplates(folder: string): KubeObject[] {
  return readdirSync(folder)
    .filter((file) => /\.ya?ml$/.test(file))
    .sort()
    .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as KubeObject | null))
    .filter((object) => object !== null)
    .filter(({ kind, metadata }) => {
      if (kind === kinds.StackTemplate.kind && typeof metadata?.name === 'string') return true;
      throw new Error(`${folder} may hold StackTemplates only`);
    });
}
