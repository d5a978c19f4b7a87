import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

export const setup = join(import.meta.dirname, '../../../../local/setup');
/** As the publishers call this machine. */
export const arch = process.arch === 'x64' ? 'amd64' : 'arm64';

/** A folder of a test's own and publishers on this machine, all gone afterwards. */
export class SetupWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'tenantry-setup-'));
  readonly #servers: Server[] = [];

  remove(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs a piece of the set-up in a process of its own, as npm does, and hands back what it said. */
  async run(code: string, env: Record<string, string> = {}): Promise<{ stdout: string; error: string }> {
    const file = join(this.dir, 'run.mjs');
    writeFileSync(file, code);
    const path = env['PATH'] ?? '/usr/bin:/bin';
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [file], { env: { HOME: this.dir, ...env, PATH: path } });
      return { stdout, error: '' };
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      return { stdout, error: stderr };
    }
  }

  /** A publisher: path to content; a missing path answers 404. */
  async publish(files: Record<string, Buffer | 'hang'>): Promise<string> {
    const server = createServer((request, response) => {
      const content = files[request.url ?? ''];
      if (content === 'hang') return;
      if (content === undefined) response.writeHead(404).end();
      else response.writeHead(200, { 'content-length': content.length }).end(content);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Provides a set of programs, where every publisher is `from`; says `FOLDER` and the folder, or fails with message and remedy. */
  provide(
    from: string,
    env: Record<string, string>,
    set: 'localSet' | 'clusterSet' = 'localSet',
  ): Promise<{ stdout: string; error: string }> {
    const code = `
      import { provideBinaries } from ${JSON.stringify(join(setup, 'binaries.mjs'))};
      import { ${set} as set } from ${JSON.stringify(join(setup, 'locate.mjs'))};
      import { publishers } from ${JSON.stringify(join(setup, 'releases.mjs'))};
      const progress = { say: (text) => console.log(text), step: (_title, work) => work(() => {}) };
      const from = Object.fromEntries(Object.keys(publishers).map((name) => [name, ${JSON.stringify(from)}]));
      try { console.log('FOLDER ' + (await provideBinaries({ root: ${JSON.stringify(this.dir)}, set, env: process.env, progress, from }))); }
      catch (error) { console.error(error.message + '\\n' + error.remedy); process.exit(1); }`;
    return this.run(code, { TENANTRY_CACHE: join(this.dir, 'cache'), ...env });
  }
}

export function folderOf(stdout: string): string {
  return /FOLDER (.*)/.exec(stdout)?.[1] ?? '';
}

export const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

export function tarGz(path: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  header.write('0', 156);
  header.write('ustar', 257);
  return gzipSync(Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512), Buffer.alloc(1024)]));
}
