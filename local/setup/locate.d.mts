export declare const kubernetesVersion: string;
export declare const etcdVersion: string;
export declare const binaryNames: readonly string[];
export declare const architectures: Readonly<Record<string, string>>;
export declare function cacheFolder(env: NodeJS.ProcessEnv): string;
export declare function binariesFolder(env: NodeJS.ProcessEnv, arch?: string): string;
export declare function holdsBinaries(folder: string): boolean;
export declare function locateBinaries(env: NodeJS.ProcessEnv): string | undefined;
