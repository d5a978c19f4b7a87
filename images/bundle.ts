import { extname } from 'node:path';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';

export interface Bundle {
  /** Absolute paths of the bundled modules. */
  readonly modules: readonly string[];
}

/**
 * Bundles programs with all their imports as plain JavaScript. Bundles are smaller, start faster and use less memory than
 * compiled files beside node_modules: docs/decisions/2026-11-21-images-are-bundles.md has the figures.
 * @param programs Paths of TypeScript files, relative to `root`. Each bundle keeps its path and name.
 */
export async function bundle(root: string, programs: readonly string[], folder: string): Promise<Bundle> {
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(programs.map((program) => [program.slice(0, -extname(program).length), program])),
    platform: 'node',
    tsconfig: false,
    plugins: [asciiOnly],
    onLog(level, log) {
      // By default an unresolved import only warns, and then fails in the image.
      if (level === 'warn' && log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
    },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
      // Names and lines are kept, so that stack traces are readable without source maps.
      minify: false,
      keepNames: true,
      comments: false,
    });
    const chunks = output.filter((file): file is OutputChunk => file.type === 'chunk');
    return { modules: [...new Set(chunks.flatMap(({ moduleIds }) => moduleIds))].sort() };
  } finally {
    await build.close();
  }
}

/** Escapes characters outside Latin-1: a single one makes V8 store the whole file with two bytes a character. */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  renderChunk: (code) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range starts there.
    code.replace(/[^\x00-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`),
};
