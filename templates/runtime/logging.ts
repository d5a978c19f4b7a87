import { type DestinationStream, type Logger, pino } from 'pino';
import { type Environment, oneOf } from './environment.ts';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** JSON lines on standard output. Messages are constants, data goes in fields; credentials never in either. */
export function createLogger(environment: Environment, program: string, destination?: DestinationStream): Logger {
  const level = oneOf(environment, 'LOG_LEVEL', logLevels, 'info');
  const options = {
    level,
    base: { program, tenant: environment['TENANTRY_TENANT'] },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/**
 * An error in a log: type, message, code and stack. Other fields are left out because libraries put connection settings and whole
 * requests, and so credentials, into them.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error ? error.code : undefined;
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    stack: error.stack,
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
  };
}
