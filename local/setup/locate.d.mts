export interface BinarySet {
  readonly purpose: string;
  readonly versions: string;
  readonly folder: string;
  readonly names: readonly string[];
  readonly downloads: string;
  readonly bytes: number;
  readonly goCaches: string;
  readonly command: string;
}
export declare const kubernetesVersion: string;
export declare const etcdVersion: string;
export declare const helmVersion: string;
export declare const corednsVersion: string;
export declare const traefikVersion: string;
export declare const ciliumVersion: string;
export declare const gatewayApiVersion: string;
export declare const pauseVersion: string;
export declare const localSet: BinarySet;
export declare const clusterSet: BinarySet;
export declare const architectures: Readonly<Record<string, string>>;
export declare function cacheFolder(env: NodeJS.ProcessEnv): string;
export declare function compileCache(env: NodeJS.ProcessEnv): string;
export declare function binariesFolder(env: NodeJS.ProcessEnv, set: BinarySet, arch?: string): string;
export declare function holdsBinaries(folder: string, set: BinarySet): boolean;
export declare function locateBinaries(env: NodeJS.ProcessEnv, set: BinarySet): string | undefined;
