export function cniPlugins(): string | undefined;
export function missingPackages(): string[];
export function obstacles(): string[];
