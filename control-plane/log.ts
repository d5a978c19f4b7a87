import { type DestinationStream, type Logger, pino } from 'pino';

/** Fields that may hold a credential, wherever they appear. */
const secretPaths = ['authorization', 'token', 'apiKey', 'password', 'cookie', 'client_secret'].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
]);

/** The process's log: JSON lines, credentials blotted out. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = { name: 'control-plane', level, redact: { paths: secretPaths, censor: '[redacted]' } };
  return destination === undefined ? pino(options) : pino(options, destination);
}
