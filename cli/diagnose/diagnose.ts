/** All of diagnosing, for who loads it when it is wanted. */
export { writeBundle } from './bundle.ts';
export { prepare } from './prepare.ts';
export { Redactor } from './redact.ts';
export { secretsOf } from './secrets.ts';
export { walk } from './walk.ts';
