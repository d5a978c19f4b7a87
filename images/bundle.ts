import { extname } from 'node:path';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';

export interface Bundle {
  /** Absolute paths of the modules whose code is in it. */
  readonly modules: readonly string[];
}

/**
 * Writes programs with all they import as plain JavaScript. Smaller, sooner started and lighter than
 * compiled files beside node_modules: docs/decisions/2026-11-21-images-are-bundles.md has the figures.
 * @param programs Paths of TypeScript files, relative to `root`, where they keep their place and name.
 */
export async function bundle(root: string, programs: readonly string[], folder: string): Promise<Bundle> {
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(programs.map((program) => [program.slice(0, -extname(program).length), program])),
    platform: 'node',
    tsconfig: false,
    plugins: [asciiOnly],
    onLog(level, log) {
      // What cannot be resolved is left as an import by default, and then fails in the image.
      if (level === 'warn' && log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
    },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
      // Names and lines stay, so that stack traces can be read without source maps.
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

/** One letter outside Latin-1 makes V8 hold a whole file with two bytes a letter. */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  renderChunk: (code) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII begins there.
    code.replace(/[^\x00-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`),
};
