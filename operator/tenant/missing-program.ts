import type { ContainerStatus } from './workload-state.ts';

/** Reasons that container runtimes give for a program that could not be started. */
const notStarted = /^(StartError|ContainerCannotRun|RunContainerError|CreateContainerError)$/;
/** Messages of containerd, CRI-O and the local node for a program that is not in the image or is not executable. */
const missing =
  /executable file .*not found|\bexec\b.*(no such file|permission denied|format error|not a directory)|cannot start .*no such program/i;
/** Exit codes of a shell for a command that it cannot find or execute. */
const shellCodes: ReadonlySet<number> = new Set([126, 127]);

/** Message that the container's program is missing, with the remedy; undefined for every other state. */
export function missingProgram({ name, state, lastState }: ContainerStatus): string | undefined {
  if (state?.running !== undefined) return undefined;
  const ended = state?.terminated ?? lastState?.terminated;
  const cause = [state?.waiting, ended].find(({ reason = '', message = '' } = {}) => notStarted.test(reason) && missing.test(message));
  const remedy = "Correct the container's command in the template, or its image.";
  if (cause !== undefined) return `The program of container ${name} cannot be started: ${oneLine(cause.message ?? '')}. ${remedy}`;
  if (ended !== undefined && shellCodes.has(ended.exitCode)) {
    return `Container ${name} ended with exit code ${ended.exitCode}, with which shells say that a command was not found or may not be run. ${remedy}`;
  }
  return undefined;
}

/** The end of the message names the missing program. Runtimes put their own calls before it. */
function oneLine(message: string): string {
  return message
    .replaceAll(/\s+/g, ' ')
    .replace(/[. ]+$/, '')
    .slice(-300);
}
