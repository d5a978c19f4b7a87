import { join } from 'node:path';
import { Authority, type CertificateFiles, kubeconfigOf, type Subject } from '../../../local/kubernetes/pki.ts';
import { writePrivate } from '../../../local/machine/files.ts';

/** Issues what the node's programs prove themselves with, from the authority of the control plane. */
export class ClusterAccess {
  readonly #authority: Authority;
  readonly #url: string;
  readonly #folder: string;

  private constructor(authority: Authority, url: string, folder: string) {
    this.#authority = authority;
    this.#url = url;
    this.#folder = folder;
  }

  /** @param folder state folder of startKubernetes, which has made the authority. */
  static async open(folder: string, url: string): Promise<ClusterAccess> {
    return new ClusterAccess(await Authority.open(join(folder, 'pki'), 'ca'), url, folder);
  }

  get authorityFile(): string {
    return this.#authority.certFile;
  }

  /** Writes a kubeconfig of a user and returns its path. */
  async kubeconfig(name: string, user: string, organizations: readonly string[] = []): Promise<string> {
    const file = join(this.#folder, `${name}.kubeconfig`);
    const certificate = await this.#authority.issue({ commonName: user, organizations, usage: 'client' });
    writePrivate(file, kubeconfigOf(this.#url, this.#authority, user, certificate));
    return file;
  }

  serverCertificate(name: string, subject: Omit<Subject, 'usage'>): Promise<CertificateFiles> {
    return this.#authority.issueFiles(name, { ...subject, usage: 'server' });
  }
}
