import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Vault } from '../state/vault.ts';

/** Models whose entries are deleted when their grant is revoked. A refresh token that is used twice revokes its whole family. */
const grantable = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'Grant']);

/** Stores the entries of one oidc-provider model in the vault. */
export class GrantAdapter implements Adapter {
  readonly #model: string;
  readonly #vault: Vault;

  constructor(model: string, vault: Vault) {
    this.#model = model;
    this.#vault = vault;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    this.#vault.put(this.#key(id), payload, expiresIn);
    if (this.#model === 'Session' && payload.uid !== undefined) this.#vault.put(`oidc-session-uid:${payload.uid}`, id, expiresIn);
    if (grantable.has(this.#model) && payload.grantId !== undefined) {
      this.#vault.put(`oidc-grant:${payload.grantId}:${this.#key(id)}`, this.#key(id), expiresIn);
    }
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#vault.get<AdapterPayload>(this.#key(id));
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const id = this.#vault.get<string>(`oidc-session-uid:${uid}`);
    return id === undefined ? undefined : this.find(id);
  }

  /** Only the device flow uses user codes, and it is disabled. */
  async findByUserCode(): Promise<undefined> {
    return undefined;
  }

  async consume(id: string): Promise<void> {
    const payload = await this.find(id);
    if (payload === undefined) return;
    const now = Math.floor(Date.now() / 1000);
    this.#vault.put(this.#key(id), { ...payload, consumed: now }, payload.exp === undefined ? undefined : Math.max(1, payload.exp - now));
  }

  async destroy(id: string): Promise<void> {
    this.#vault.delete(this.#key(id));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const index of this.#vault.keys(`oidc-grant:${grantId}:`)) {
      const key = this.#vault.take<string>(index);
      if (key !== undefined) this.#vault.delete(key);
    }
  }

  #key(id: string): string {
    return `oidc:${this.#model}:${id}`;
  }
}
