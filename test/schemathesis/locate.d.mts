/** The program of exactly these versions. */
export function schemathesis(env: NodeJS.ProcessEnv): string;
