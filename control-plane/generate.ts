/**
 * Generates the OpenAPI document, the types of the client and the reference from the routes: `node control-plane/generate.ts`.
 * With `--check` it only compares.
 */
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { emit } from '../crds/generated.ts';
import { reference } from '../problems/reference.ts';
import { referenceOf } from './client/generator/reference.ts';
import { typesOf } from './client/generator/types.ts';
import { readSettings } from './settings.ts';
import { prepareControlPlane } from './start.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Settings of an installation that is never started. The document does not depend on them. */
const settings = readSettings({
  WORKOS_API_KEY: 'none',
  WORKOS_CLIENT_ID: 'client_none',
  TENANTRY_ADMIN_ISSUER: 'https://issuer.invalid',
  TENANTRY_OAUTH_ISSUER: 'https://issuer.invalid',
  TENANTRY_PLATFORM_ORGANIZATION_ID: 'org_none',
  TENANTRY_STORE_URL: 'postgres://none@store.invalid/none',
  TENANTRY_AUDIT_KEY_FILE: '/none',
  TENANTRY_BASE_URL: 'https://base.invalid',
});

const { app } = await prepareControlPlane(settings, pino({ level: 'silent' }));
const document = app.swagger();
await app.close();
emit(
  new Map([
    [path('openapi.json'), `${JSON.stringify(document, null, 2)}\n`],
    [path('client/schema.ts'), await typesOf(document)],
    [path('../docs/reference/admin-api.md'), referenceOf(document)],
    [path('../docs/reference/problems.md'), reference()],
  ]),
);
// Clients made for this run hold timers.
process.exit(process.exitCode);
