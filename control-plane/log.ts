import { type DestinationStream, type Logger, pino } from 'pino';
import { isSecretName, redacted } from '../audit/secret-names.ts';

/** Deepest level of objects in which fields of a log line are masked. Fields of log lines are rarely nested. */
const maxDepth = 4;

/** Masks the fields of plain objects whose names mean a secret. Errors and other instances are left to their serializers. */
function withoutSecrets(fields: Record<string, unknown>, depth = 1): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (typeof value !== 'boolean' && value !== null && value !== undefined && isSecretName(name)) return [name, redacted];
      return [name, isPlain(value) ? (depth < maxDepth ? withoutSecrets(value, depth + 1) : '[object]') : value];
    }),
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype;
}

/** The process's log: JSON lines, secrets masked. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const log = (fields: Record<string, unknown>) => withoutSecrets(fields);
  // An error of a library may have its connection settings as fields.
  const err = (error: Error) => withoutSecrets({ ...pino.stdSerializers.err(error) });
  const options = { name: 'control-plane', level, formatters: { log }, serializers: { err } };
  return destination === undefined ? pino(options) : pino(options, destination);
}
