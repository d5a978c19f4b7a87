/** The program of exactly these versions. */
export function schemathesis(env: NodeJS.ProcessEnv): string;
/** Its settings that have no option on the command line; the path of a file. */
export const settings: string;
