/** Entry point of `tenantry diagnose`, loaded only when the command runs. */
export { writeBundle } from './bundle.ts';
export { prepare } from './prepare.ts';
export { Redactor } from './redact.ts';
export { secretsOf } from './secrets.ts';
export { walk } from './walk.ts';
